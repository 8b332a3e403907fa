import { Controller, Get, NotFoundException, Param, StreamableFile } from '@nestjs/common';
import { type Asset, clientFolder, pageFolder, readAssets } from './assets.js';

/** The pages and what they load. They hold nothing private: what is a user's own is fetched by the guarded routes. */
@Controller()
export class PagesController {
  private readonly files = readAssets(pageFolder);
  private readonly client = readAssets(clientFolder);

  @Get()
  home(): StreamableFile {
    return send(this.files, 'index.html');
  }

  @Get('inside')
  inside(): StreamableFile {
    return send(this.files, 'inside.html');
  }

  @Get('theft')
  theft(): StreamableFile {
    return send(this.files, 'theft.html');
  }

  @Get('assets/client/:name')
  clientFile(@Param('name') name: string): StreamableFile {
    return send(this.client, name);
  }

  @Get('assets/:name')
  asset(@Param('name') name: string): StreamableFile {
    return send(this.files, name);
  }
}

function send(files: ReadonlyMap<string, Asset>, name: string): StreamableFile {
  const asset = files.get(name);
  if (!asset) throw new NotFoundException('There is no such file');
  return new StreamableFile(asset.content, { type: asset.type, length: asset.content.length });
}
