// Light, dark, or as the system has it: kept in localStorage, before anything is drawn.
const KEY = 'carillon.theme';

function apply(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function themeSwitch(select) {
  const saved = localStorage.getItem(KEY) ?? 'auto';
  select.value = ['auto', 'light', 'dark'].includes(saved) ? saved : 'auto';
  apply(select.value);
  select.addEventListener('change', () => {
    localStorage.setItem(KEY, select.value);
    apply(select.value);
  });
}
