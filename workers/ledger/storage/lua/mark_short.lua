-- Shared by record.lua and settle.lua: note that archived audio is shorter than its callback announced, and count it.
-- Short means more than 2 seconds and more than 2 % less, as in workers/media/duration.py
-- (test_the_ledger_marks_as_short_what_the_worker_retries_as_short).
local function mark_short(record, counters)
  local known = redis.call('HMGET', record, 'state', 'seconds', 'announced_seconds', 'notes')
  if known[1] ~= 'archived' then return end
  local measured, announced = tonumber(known[2] or ''), tonumber(known[3] or '')
  local notes, was_marked = {}, false
  for note in string.gmatch(known[4] or '', '[^\n]+') do
    if string.find(note, 'short: ', 1, true) == 1 then was_marked = true else notes[#notes + 1] = note end
  end
  local missing = measured and announced and announced - measured or 0
  if missing > 2 and missing > 0.02 * announced then
    notes[#notes + 1] = string.format('short: %.1f s of %.1f s announced', measured, announced)
    if not was_marked then redis.call('HINCRBY', counters, 'short_audio||', 1) end
  end
  redis.call('HDEL', record, 'notes')
  if #notes > 0 then redis.call('HSET', record, 'notes', table.concat(notes, '\n')) end
end

