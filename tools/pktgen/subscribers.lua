-- SPDX-License-Identifier: BSD-3-Clause
-- From the inside to the outside: SUBSCRIBERS addresses, PORTS source ports each, to one remote.
-- The numbers must have no common divisor: see weir.range().

local weir = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "weir.lua")
local subscribers = weir.setting("SUBSCRIBERS", 255)
local ports = weir.setting("PORTS", 64)

weir.begin()
if not weir.from_file(weir.inside) then
	weir.range(weir.inside,
		{ address = "100.64.0.1", addresses = subscribers, port = 1024, ports = ports },
		{ address = weir.remote, port = weir.remote_port }, weir.size)
	weir.say("%d subscribers x %d ports, %d B", subscribers, ports, weir.size)
end
weir.measure(weir.out())
weir.finish()
