import { Body, Controller, Get, Post, UseGuards } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsString, Matches, MaxLength } from 'class-validator';
import { CurrentSession, SessionGuard, UserSession } from 'nestjs-jwt-session';
import { Repository } from 'typeorm';
import { Note } from './note.entity.js';

class NoteDto {
  @IsString()
  @Matches(/\S/, { message: 'A note must not be blank' })
  @MaxLength(10_000)
  text!: string;
}

@Controller('notes')
@UseGuards(SessionGuard)
export class NotesController {
  constructor(@InjectRepository(Note) private readonly notes: Repository<Note>) {}

  @Get()
  async list(@CurrentSession() { userId }: UserSession) {
    const notes = await this.notes.find({ where: { userId }, order: { id: 'ASC' } });
    return notes.map(toView);
  }

  @Post()
  async create(@CurrentSession() { userId }: UserSession, @Body() { text }: NoteDto) {
    return toView(await this.notes.save({ userId, text }));
  }
}

function toView({ id, text, createdAt }: Note) {
  return { id, text, createdAt };
}
