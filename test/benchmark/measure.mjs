// One part, in the process that run.mjs starts for it.
const { measurePart } = await import(`./parts/${process.argv[2]}.mjs`);
const results = await measurePart();
// Contestants leave timers behind.
process.send(results, () => process.exit());
