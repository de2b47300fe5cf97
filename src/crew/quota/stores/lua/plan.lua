-- the store's set_plan. KEYS: plans. ARGV: numbers (time told), provider, plan, reason.

local now = time((unpack_numbers('<d', ARGV[1])))
local noted = exact('%.17g', now) .. '\0' .. ARGV[3] .. '\0' .. ARGV[4]
call('HSET', KEYS[1], ARGV[2], noted)
call('PEXPIRE', KEYS[1], lifetime(now + RUN_SECONDS, now))
return 1
