-- Settle an asset: archived or rejected by its owner, or given up while no worker ("") held it.
-- KEYS: record, task, timers, counters, taken, waiting:urgent, waiting:assets, waiting:suspects
-- ARGV: asset member, task member, owner, state, reason, seconds until the task's timer, then fields and values
-- Reply: the task's unsettled assets, -1 if the lease was lost, or -2 if a fresh URL came during the attempt: it is
--        tried before the asset is given up
--        (test_a_fresh_url_that_comes_during_an_attempt_is_tried_when_the_old_one_gives_up)
local record, task, timers, counters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local owner, state, reason, now = ARGV[3], ARGV[4], ARGV[5], clock()
local known = redis.call('HMGET', record, 'state', 'owner', 'url')
local expected = owner == '' and 'pending' or 'transferring'
if known[1] ~= expected or (known[2] or '') ~= owner then return -1 end
-- A fresh URL may have moved the deadline since the caller saw that it had passed
-- (test_an_asset_whose_deadline_has_moved_does_not_expire).
if state == 'expired' and owner == '' and tonumber(redis.call('HGET', record, 'deadline') or '0') > now then return -1 end
if state ~= 'archived' and redis.call('HEXISTS', record, 'fresh') == 1 then
  redis.call('HSET', record, 'state', 'pending', 'error', reason)
  redis.call('HDEL', record, 'owner', 'lease', 'streak', 'lapses', 'crashes', 'crashes_in_company', 'final', 'fresh')
  redis.call('HDEL', KEYS[5], owner)
  redis.call('ZADD', timers, now, ARGV[1])
  return -2
end
redis.call('HDEL', record, 'owner', 'lease', 'error', 'streak', 'lapses', 'crashes', 'crashes_in_company', 'fresh')
if state == 'archived' then redis.call('HDEL', record, 'final', 'partial', 'seconds') end
redis.call('HDEL', KEYS[5], owner)
redis.call('HSET', record, 'state', state, 'settled_at', now)
if reason ~= '' then redis.call('HSET', record, 'error', reason) end
for i = 7, #ARGV, 2 do redis.call('HSET', record, ARGV[i], ARGV[i + 1]) end
mark_short(record, counters)
if owner == '' then waiting.remove({KEYS[6], KEYS[7], KEYS[8]}, ARGV[1], known[3]) end
redis.call('ZREM', timers, ARGV[1])
redis.call('HINCRBY', counters, 'assets|' .. state .. '|' .. reason, 1)
redis.call('HINCRBY', task, 'version', 1)
local open = redis.call('HINCRBY', task, 'open', -1)
if open == 0 then redis.call('ZADD', timers, now + ARGV[6], ARGV[2]) end
return open
