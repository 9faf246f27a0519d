// Light, dark, or as the system has it: kept in localStorage, before anything is drawn.
import { Kept } from './kept.js';

function apply(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function themeSwitch(select) {
  const theme = new Kept('localStorage', 'carillon.theme');
  select.value = ['light', 'dark'].includes(theme.get()) ? theme.get() : 'auto';
  apply(select.value);
  select.addEventListener('change', () => {
    theme.set(select.value);
    apply(select.value);
  });
}
