// npm shows README without the repository around it. While the package is packed, README's links are absolute.
//
//   node .ci/readme-links.mjs absolute|restore
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const BACKUP = 'build/README.md';

const actions = {
  absolute() {
    // A former run that was interrupted has left the original in the backup.
    if (!existsSync(BACKUP)) copyFileSync('README.md', BACKUP);
    const { repository } = JSON.parse(readFileSync('package.json', 'utf8'));
    const base = repository.url.replace(/^git\+|\.git$/g, '');
    const absolute = path => `${base}/${/\.(png|svg)$/.test(path) ? 'raw' : 'blob'}/HEAD/${path}`;
    const text = readFileSync(BACKUP, 'utf8')
      .replace(/\]\((?![a-z]+:|#)([^)]+)\)/g, (_, path) => `](${absolute(path)})`)
      .replace(/(src|href)="(?![a-z]+:|#)([^"]+)"/g, (_, name, path) => `${name}="${absolute(path)}"`);
    writeFileSync('README.md', text);
  },
  restore() {
    if (existsSync(BACKUP)) renameSync(BACKUP, 'README.md');
  },
};

actions[process.argv[2]]();
