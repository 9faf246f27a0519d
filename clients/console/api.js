// Asks the node. A token, where there is authentication, lives as long as the tab: in sessionStorage, never in an address.

import { parseExactly } from './exact_json.js';
import { Kept } from './kept.js';

const kept = new Kept('sessionStorage', 'carillon.token');

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class NodeError extends Error {
  // `error` is a name of the closed list (docs/protocol.md), or `unreachable`.
  constructor(status, error, message, details = {}) {
    super(message);
    this.status = status;
    this.error = error;
    this.details = details;
  }
}

export const token = {
  get: () => kept.get() ?? '',
  set: (value) => kept.set(value || null),
};

// `match/the hall/1` as it stands in an address.
export function entityPath(entity) {
  return entity.split('/').map(encodeURIComponent).join('/');
}

// The answer as it is; refusals and failures as NodeError.
export async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  let response;
  try {
    response = await fetch(path, { cache: 'no-store', redirect: 'error', ...options, headers });
  } catch (failure) {
    if (failure.name === 'AbortError') throw failure;
    throw new NodeError(0, 'unreachable', 'The node does not answer.');
  }
  if (response.ok) return response;
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // No JSON: the status has to do.
  }
  throw new NodeError(response.status, problem.error ?? 'failed', problem.detail ?? problem.message ?? `HTTP ${response.status}`, problem);
}

export const askJson = async (path, options) => parseExactly(await askText(path, options));
export const askText = async (path, options) => (await ask(path, options)).text();

export const stats = (options) => askJson('/stats', options);
export const metrics = (options) => askText('/metrics', options);
export const health = (options) => askJson('/healthz', options);
export const cluster = (options) => askJson('/cluster', options);
export const entity = (name) => askJson(`/entities/${entityPath(name)}`);

export async function deadLetters(name, options) {
  const answer = await askJson(name ? `/deadletters/${entityPath(name)}` : '/deadletters', options);
  return { letters: answer.dead_letters ?? [], more: Boolean(answer.more), absent: answer.absent_partitions ?? [] };
}
export const redrive = (name, offset) => ask(`/deadletters/${entityPath(name)}?offset=${offset}`, { method: 'POST' });
export const discard = (name, offset) => ask(`/deadletters/${entityPath(name)}?offset=${offset}`, { method: 'DELETE' });
