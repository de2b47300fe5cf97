-- the store's cool_down and throttle. KEYS: the pool. ARGV: numbers, and to cool down:
-- the reason. Numbers: time told, until, whether it replaces what is there. Answers the
-- share that the pool uses.

local told, ends, replaces = unpack_numbers('<ddd', ARGV[1])
local now = time(told)
local condition = condition_from(call('GET', KEYS[1]))
if ARGV[2] then
  local known = condition.cooldown and condition.cooldown[1] or 0
  if replaces == 1 or ends > known then condition.cooldown = {ends, ARGV[2]} end
else
  -- Throttle.decreased
  local before = condition.throttle or {1, 0}
  if before[1] >= 1 or now - before[2] >= HOLD_SECONDS then
    local share = math.max(LEAST_THROTTLE, share_now(before, now) * DECREASE)
    condition.throttle = {share, now}
  end
end
keep_condition(KEYS[1], condition, now)
return exact('%.17g', share_now(condition.throttle, now))
