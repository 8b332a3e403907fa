// Preloaded into a process whose clock the test moves: `{ pass: milliseconds }` is answered when it counts.
let passed = 0;
const now = Date.now;

process.on('message', ({ pass }) => {
  passed += pass;
  // Not before: what looks for pauses of the process has the system's clock from its start.
  Date.now = () => now() + passed;
  process.send({ passed });
});
// A process must not outlive its test.
process.channel.unref();
