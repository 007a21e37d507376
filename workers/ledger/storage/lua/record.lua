-- Record a callback and its assets. Running it twice is harmless: only the counter of callbacks grows. A URL is
-- replaced by one of a later stage, or of the same stage and a later arrival
-- (test_a_url_gives_way_to_one_of_a_later_stage_or_arrival_and_to_no_other).
-- KEYS: task, timers, counters, waiting:urgent, waiting:assets, waiting:suspects, then a record for each asset
-- ARGV: urgent window, seconds until the task's timer, task id, stage rank, family, stage, the callback's field, the
--       callback, most callbacks a task, most assets a task, prefix of the assets' records, notes, time of arrival,
--       '1' for a task that must be known or '', '1' for a body that was recorded elsewhere before or '',
--       number of task fields, their names and values,
--       then for each asset: name, url, key, deadline, announced seconds ('' if no length is announced, 0 if a later
--       callback announces it), '1' or '' for optional, source name, other name, other key
-- Reply: {} if the task should be known and is not, else {unsettled assets, whether anything changed, how many assets
--        became ready as urgent, how many otherwise, whether the callback itself was kept, how many assets were too
--        many}
local task, timers, counters, urgent, assets = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, window, id, rank = clock(), tonumber(ARGV[1]), ARGV[3], tonumber(ARGV[4])
local family, stage, callback = ARGV[5], ARGV[6], ARGV[7]
local most_callbacks, most_assets, prefix = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]
local suspects = KEYS[6]
local OWN_KEYS, OWN_ARGV, PER_ASSET = 6, 16, 9
local fields_end = OWN_ARGV + 2 * tonumber(ARGV[OWN_ARGV])
local MAX_NOTES, MAX_MARKS = 2000, 20
-- One number, sorted by stage first, then by time of arrival in milliseconds. Whole numbers take less memory.
local order = math.floor((rank * 1e11 + tonumber(ARGV[13])) * 1000)

if ARGV[14] ~= '' and redis.call('EXISTS', task) == 0 then return {} end
local replay = ARGV[15] ~= ''

-- A body that was seen before changes no known asset. The record keeps a limited number of callbacks and marks a
-- limited number of further bodies as seen; after that, every body counts as seen
-- (test_beyond_the_bodies_that_are_kept_two_that_alternate_still_revive_nothing).
local known_callback, changed = redis.call('HGET', task, callback), false
local seen, kept = known_callback and not replay, known_callback and known_callback ~= ''
if not known_callback then
  local callbacks = 0
  for _, field in ipairs(redis.call('HKEYS', task)) do
    if string.sub(field, 1, 1) == string.sub(callback, 1, 1) then callbacks = callbacks + 1 end
  end
  if callbacks < most_callbacks then
    redis.call('HSET', task, callback, ARGV[8])
    kept, changed = true, true
  elseif callbacks < MAX_MARKS * most_callbacks then
    redis.call('HSET', task, callback, '')
  else
    seen = true
  end
end

local ready, surplus, known_names, added = {[urgent] = 0, [assets] = 0}, 0, names(task), false
local is_named = {}
for _, name in ipairs(known_names) do is_named[name] = true end
for i = 1, #KEYS - OWN_KEYS do
  local record, at = KEYS[OWN_KEYS + i], fields_end + (i - 1) * PER_ASSET
  local name, url, key, deadline = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], math.floor(ARGV[at + 4])
  local seconds, optional, source = ARGV[at + 5], ARGV[at + 6], ARGV[at + 7]
  if source ~= '' then
    -- In a later callback the same path can name another file. That file is another asset.
    local known_source = redis.call('HGET', record, 'source_name')
    if known_source and known_source ~= source then
      name, key = ARGV[at + 8], ARGV[at + 9]
      record = prefix .. id .. '/' .. name
    end
  end
  local known = redis.call('HMGET', record, 'state', 'url', 'announced_seconds', 'order')
  local state = known[1]
  local is_later = not seen and order >= tonumber(known[4] or '0')
  local length = tonumber(seconds) or 0
  if state and is_later and length > 0 and known[3] ~= seconds then
    changed = true
    redis.call('HSET', record, 'announced_seconds', seconds, 'order', order)
    mark_short(record, counters)
  end
  if not state and #known_names >= most_assets then
    surplus = surplus + 1
  elseif not state or (is_later and known[2] ~= url and state ~= 'archived'
      and not (replay and state ~= 'pending' and state ~= 'transferring')) then
    changed = true
    if state == 'transferring' then
      -- The attempt under way uses the old URL. If it fails, the fresh one is tried.
      redis.call('HSET', record, 'url', url, 'deadline', deadline, 'order', order, 'fresh', '1')
    else
      if state == 'pending' then
        redis.call('HSET', record, 'url', url, 'deadline', deadline, 'order', order, 'streak', 0)
        redis.call('HDEL', record, 'final', 'crashes_in_company')
      else
        local kept_file = redis.call('HMGET', record, 'partial', 'seconds')
        redis.call('DEL', record)
        redis.call('HSET', record, 'state', 'pending', 'recorded_at', math.floor(now), 'key', key, 'url', url,
          'deadline', deadline, 'order', order)
        if kept_file[1] then redis.call('HSET', record, 'partial', kept_file[1], 'seconds', kept_file[2] or 0) end
        if seconds ~= '' then redis.call('HSET', record, 'announced_seconds', seconds) end
        if optional ~= '' then redis.call('HSET', record, 'optional', optional) end
        if source ~= '' then redis.call('HSET', record, 'source_name', source) end
        if not is_named[name] then
          known_names[#known_names + 1], is_named[name], added = name, true, true
        end
        redis.call('HINCRBY', task, 'open', 1)
      end
      local member, queue = id .. '/' .. name, deadline - window <= now and urgent or assets
      redis.call('ZREM', timers, member)
      if known[2] then waiting.remove({urgent, assets, suspects}, member, known[2]) end
      waiting.add(queue, member, deadline, url)
      ready[queue] = ready[queue] + 1
    end
  end
end
if added then redis.call('HSET', task, 'assets', table.concat(known_names, '\n')) end

local notes = ARGV[12]
if surplus > 0 then
  local told = 'at least one file is not stored, as the task has as many as it may: ' .. tostring(most_assets)
  notes = notes == '' and told or notes .. '\n' .. told
end
local known_notes = redis.call('HGET', task, 'notes') or ''
for note in string.gmatch(notes, '[^\n]+') do
  if not string.find(known_notes, note, 1, true) and #known_notes < MAX_NOTES then
    changed = true
    known_notes = known_notes == '' and note or known_notes .. '\n' .. note
    redis.call('HSET', task, 'notes', known_notes)
  end
end

local open = tonumber(redis.call('HGET', task, 'open') or '0')
if changed then
  if rank >= tonumber(redis.call('HGET', task, 'rank') or '0') then
    redis.call('HDEL', task, 'code', 'message', 'fail_code', 'failed_tracks')
    redis.call('HSET', task, 'family', family, 'stage', stage, 'rank', rank)
    for i = OWN_ARGV + 1, fields_end, 2 do redis.call('HSET', task, ARGV[i], ARGV[i + 1]) end
  end
  redis.call('HINCRBY', task, 'version', 1)
  -- The assets that this callback does not name must not expire either: the next manifest has to list them
  -- (test_an_asset_that_is_active_again_keeps_all_records_of_its_task_from_expiring).
  redis.call('PERSIST', task)
  for _, name in ipairs(known_names) do redis.call('PERSIST', prefix .. id .. '/' .. name) end
  if open == 0 then redis.call('ZADD', timers, now + ARGV[2], id) end
end
redis.call('HINCRBY', counters, 'callbacks|' .. family .. '|' .. stage, 1)
return {open, changed and 1 or 0, ready[urgent], ready[assets], kept and 1 or 0, surplus}
