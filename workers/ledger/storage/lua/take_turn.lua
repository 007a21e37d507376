-- Take a turn at the provider for a request that is about no watched task.
-- KEYS: provider, the key's pause    ARGV: requests a second    Reply: 0, or the seconds to wait
local now = clock()
local wait = turns.pause(KEYS[2], now)
if wait <= 0 then wait = turns.take(KEYS[1], tonumber(ARGV[1]), now) end
return string.format('%.6f', wait)
