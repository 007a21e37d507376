-- The provider refused a request for a reason that concerns all tasks: no worker asks for a while. The pause is twice as
-- long if the same reason comes again afterwards; refusals of requests that were under way together count once
-- (test_refusals_of_requests_under_way_together_make_one_pause).
-- KEYS: provider
-- ARGV: reason, detail, first seconds, most seconds, the key's fingerprint, when the refused request was sent
-- Reply: {seconds, 1 if this reason is new}
local now = clock()
local known = redis.call('HMGET', KEYS[1], 'reason', 'wait', 'key', 'set_at')
local is_new = known[1] ~= ARGV[1] or known[3] ~= ARGV[5]
local wait = tonumber(ARGV[3])
if not is_new then
  if tonumber(ARGV[6]) < tonumber(known[4]) then return {known[2], 0} end
  wait = math.min(2 * known[2], tonumber(ARGV[4]))
end
local text = string.format('%.3f', now)
redis.call('HSET', KEYS[1], 'reason', ARGV[1], 'detail', ARGV[2], 'wait', wait, 'key', ARGV[5], 'set_at', text,
  'until', string.format('%.3f', now + wait))
if is_new then redis.call('HSET', KEYS[1], 'since', text) end
return {tostring(wait), is_new and 1 or 0}
