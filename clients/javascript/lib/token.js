// For whom a token was issued. Not verified: that is the gateway's part. Here it only says whose queue of events is meant.

export function subjectOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === 'string' ? sub : '';
  } catch {
    return '';
  }
}
