// Waits until something holds, or fails with what was waited for.

export async function eventually(holds, what = holds.toString(), ms = 10_000) {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
