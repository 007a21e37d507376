-- Shared by record.lua and settle.lua: note that archived audio is shorter than its callback says, and count it.
-- It lacks more than 2 seconds and more than 2 %, as workers/duration.py has it.
local function mark_short(record, counters)
  local known = redis.call('HMGET', record, 'state', 'seconds', 'announced_seconds', 'notes')
  local measured, announced, notes = tonumber(known[2] or ''), tonumber(known[3] or ''), known[4] or ''
  if known[1] ~= 'archived' or not measured or not announced then return end
  local missing = announced - measured
  if missing <= 2 or missing <= 0.02 * announced or string.find(notes, 'short: ', 1, true) then return end
  local note = string.format('short: %.1f s of %.1f s announced', measured, announced)
  redis.call('HSET', record, 'notes', notes == '' and note or notes .. '\n' .. note)
  redis.call('HINCRBY', counters, 'short_audio||', 1)
end

