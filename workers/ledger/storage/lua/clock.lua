-- Shared: the time in unix seconds, by the one clock that all hosts share.
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1e6
end

