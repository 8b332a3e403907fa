import { beforeAll, describe, expect, it } from '@jest/globals';
import { compileAllAsConsumer } from '../support/compile.js';
import { CODE_BLOCKS, nameOf } from './pages.js';

const blocks = CODE_BLOCKS.filter(({ language }) => language === 'ts');

// All are files of one application: to compile each on its own would take as long for every one.
describe('code in the documentation', () => {
  let findings: string[][];
  beforeAll(() => {
    const mistaken = blocks[0]!.text.replace('session.userId', 'session.user');
    findings = compileAllAsConsumer([...blocks.map(({ text }) => text), mistaken]);
  });

  it.each(blocks.map((block, index) => [nameOf(block), index]))('%s compiles as in a Nest application', (_, index) => {
    expect(findings[Number(index)]).toEqual([]);
  });

  it('is refused where it has a mistake', () => {
    expect(findings.at(-1)!.join()).toContain("Property 'user' does not exist on type 'UserSession'");
  });

  it('is a module each, so that no block leans on another', () => {
    expect(blocks.filter(({ text }) => !/^import /m.test(text)).map(nameOf)).toEqual([]);
  });
});
