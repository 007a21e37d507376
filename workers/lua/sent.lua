-- Assets were sent to a queue: look again only when the message may be lost, unless they moved on meanwhile.
-- KEYS: alarms, then a record for each asset
-- ARGV: then member, attempts when sent, alarm for each asset
for i = 2, #KEYS do
  local at = (i - 2) * 3
  local known = redis.call('HMGET', KEYS[i], 'state', 'attempts')
  if known[1] == 'pending' and known[2] == ARGV[at + 2] then
    redis.call('ZADD', KEYS[1], 'XX', ARGV[at + 3], ARGV[at + 1])
  end
end
