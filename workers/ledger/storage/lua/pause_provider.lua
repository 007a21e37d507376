-- The provider refused a request for a reason that concerns all tasks: no worker asks with this key for a while. The
-- pause is twice as long if the same reason comes again afterwards; refusals of requests that were under way together
-- count once (test_refusals_of_requests_under_way_together_make_one_pause).
-- KEYS: the key's pause, tasks whose last request failed, the keys that have a pause
-- ARGV: reason, detail, first seconds, most seconds, when the refused request was sent, task or '', number of different
--       tasks that must fail in a row before all requests are paused, seconds to remember the pause, the key's
--       fingerprint
-- Reply: {seconds, 1 if this reason is new}; 0 seconds if there is no pause yet
local now = clock()
if tonumber(ARGV[7]) > 1 then
  redis.call('SADD', KEYS[2], ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[8])
  if redis.call('SCARD', KEYS[2]) < tonumber(ARGV[7]) then return {'0', 0} end
end
local known = redis.call('HMGET', KEYS[1], 'reason', 'wait', 'set_at')
local is_new = known[1] ~= ARGV[1]
local wait = tonumber(ARGV[3])
if not is_new then
  if tonumber(ARGV[5]) < tonumber(known[3]) then return {known[2], 0} end
  wait = math.min(2 * known[2], tonumber(ARGV[4]))
end
local text = string.format('%.3f', now)
redis.call('HSET', KEYS[1], 'reason', ARGV[1], 'detail', ARGV[2], 'wait', wait, 'set_at', text,
  'until', string.format('%.3f', now + wait))
if is_new then redis.call('HSET', KEYS[1], 'since', text) end
redis.call('EXPIRE', KEYS[1], ARGV[8])
redis.call('SADD', KEYS[3], ARGV[9])
return {tostring(wait), is_new and 1 or 0}
