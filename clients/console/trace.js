// The trace that an event belongs to (W3C Trace Context), to be looked up elsewhere: its id, and a button that copies it.
import { element, setText } from './dom.js';

const SAID_FOR_MS = 2000;

// Null when the event has none.
export function traceOf({ traceparent }) {
  const id = traceparent?.split('-')[1];
  if (!id) return null;
  const code = element('code', {}, id);
  const copy = element('button', { type: 'button', class: 'small', 'aria-label': `Copy trace ${id}` }, 'Copy');
  // Read out when it changes.
  const said = element('span', { role: 'status' });
  copy.addEventListener('click', async () => {
    setText(said, (await copied(code)) ? 'Copied' : 'Selected');
    setTimeout(() => setText(said, ''), SAID_FOR_MS);
  });
  return element('span', { class: 'trace quiet' }, 'trace ', code, ' ', copy, said);
}

// False when this page may not write to the clipboard (it came over plain HTTP, or the browser forbids it): then the id is
// selected, for whoever looks to copy it.
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return false;
  }
}
