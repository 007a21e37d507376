-- Restore a task that Redis has forgotten from its manifest in the bucket.
-- KEYS: task, then its assets' records
-- ARGV: seconds to remember it ('' for a task that has no manifest), then for each key the number of its fields, their
--       names and values
-- Reply: 1, or 0 if the task has a record
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local at = 2
for _, key in ipairs(KEYS) do
  local fields = tonumber(ARGV[at])
  for i = at + 1, at + 2 * fields, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
  if ARGV[1] ~= '' then redis.call('EXPIRE', key, ARGV[1]) end
  at = at + 1 + 2 * fields
end
return 1
