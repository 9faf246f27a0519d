// Reads Prometheus' text format, and says what happened between two readings. Pure.

// The samples of a text: [{name, labels: {…}, value}].
export function parseMetrics(text) {
  const samples = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!match) continue;
    const labels = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(/([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g))
      labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    samples.push({ name: match[1], labels, value: Number(match[3].replace('+Inf', 'Infinity')) });
  }
  return samples;
}

// The buckets of histogram `name`, by the value of `label`: {publish: [[0.0001, 3], …, [Infinity, 9]]}; seconds, cumulative.
export function histogramsOf(samples, name, label) {
  const histograms = {};
  for (const sample of samples) {
    if (sample.name !== `${name}_bucket`) continue;
    (histograms[sample.labels[label]] ??= []).push([Number(sample.labels.le.replace('+Inf', 'Infinity')), sample.value]);
  }
  for (const buckets of Object.values(histograms)) buckets.sort((a, b) => a[0] - b[0]);
  return histograms;
}

// What came between two readings of one histogram. A node that started anew counts from 0 again.
export function between(before, after) {
  const restarted = !before || before.length !== after.length || before.some(([, count], i) => after[i][1] < count);
  return restarted ? after : after.map(([bound, count], i) => [bound, count - before[i][1]]);
}

export const samplesIn = (buckets) => (buckets?.length ? buckets[buckets.length - 1][1] : 0);

// The value below which `share` of all samples lie, in the buckets' unit; within a bucket as if they were spread evenly
// over its logarithm. NaN when there are none.
export function quantile(buckets, share) {
  const all = samplesIn(buckets);
  if (all === 0) return NaN;
  const wanted = share * all;
  let low = 0;
  let below = 0;
  for (const [bound, count] of buckets) {
    if (count >= wanted && count > below) {
      if (bound === Infinity) return low;  // As much as is known.
      const place = (wanted - below) / (count - below);
      return low === 0 ? bound * place : low * (bound / low) ** place;
    }
    low = bound;
    below = count;
  }
  return low;
}
