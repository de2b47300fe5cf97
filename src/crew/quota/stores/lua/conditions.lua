-- What closes or narrows a pool: {cooldown = {until, reason}, throttle = {share, at},
-- learned = {limit's key = {amount, until}}}, one packed value (_Condition).

local function condition_from(raw) return raw and cmsgpack.unpack(raw) or {} end

-- Writes it back, without what has passed.
local function keep_condition(key, condition, now)
  local last = 0
  local cooldown, throttle = condition.cooldown, condition.throttle
  for name, lesson in pairs(condition.learned or {}) do
    if lesson[2] <= now then condition.learned[name] = nil end
    last = math.max(last, lesson[2])
  end
  if cooldown then last = math.max(last, cooldown[1]) end
  if throttle then last = math.max(last, throttle[2] + RECOVERY_SECONDS) end
  if last <= now then
    call('DEL', key)
  else
    call('SET', key, cmsgpack.pack(condition), 'PX', lifetime(last, now))
  end
end
