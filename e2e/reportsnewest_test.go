package e2e

// newestReports are of 2025 and 2026.
var newestReports = []report{
	// moby#52653, moby#53258
	{
		"cp where something is mounted below a link of the image, and through the link",
		`cove run --name $N-i box sh -c 'mkdir -p /run /var; ln -s /run /var/run'; cove commit $N-i $N >/dev/null; echo x >f; mkdir d; echo y >d/in
cove run -d --name $N -v $PWD/f:/var/run/docker.sock $N sleep 1000 >/dev/null; cove cp -q d/. $N:/some/; cove cp -q f $N:/var/run/g; cove exec $N cat /some/in /run/g /run/docker.sock; cove cp $N:/var/run/g - | tar tf -
cove create --name $N-c $N true >/dev/null; cove cp -q f $N-c:/var/run/g; cove cp $N-c:/run/g - | tar tf -; cove rm -f $N $N-c $N-i >/dev/null; cove rmi $N >/dev/null`,
		`y\nx\nx\ng\ng`,
	},
	// runc#5021
	{
		"a limit of open files is the container's, not of whoever makes its devices",
		`cove run --rm --privileged --ulimit nofile=6:6 box sh -c 'ulimit -n'`,
		`6`,
	},
	// moby#50268
	{
		"one image mounted twice",
		`cove run --rm --mount type=image,src=box,dst=/a --mount type=image,src=box,dst=/b,image-subpath=bin box sh -c 'ls -d /a/bin/sh /b/sh'`,
		`/a/bin/sh\n/b/sh`,
	},
	// moby#49501
	{
		"a container that restarts always, and whose port is in use, is started without end",
		`cove run -d --name $N-a -p 127.0.9.1:6391:80 box sleep 1000 >/dev/null; cove run -d --name $N --restart always -p 127.0.9.1:6391:80 box sleep 1000 2>&1 | grep -c 'port is already allocated'
sleep 1; cove inspect -f '{{.State.Status}} {{.RestartCount}}' $N; cove rm -f $N-a >/dev/null; cove start $N >/dev/null; cove inspect -f '{{.State.Status}}' $N`,
		`1\ncreated 0\nrunning`,
	},
	// moby#48971
	{
		"IPv6 is off on one end of a network that has it",
		`cove network create --ipv6 $N-n >/dev/null; off=com.docker.network.endpoint.sysctls=net.ipv6.conf.IFNAME.disable_ipv6=1
cove run -d --name $N --network name=$N-n,driver-opt=$off -p '[::1]:6392:80' box sh -c 'echo reached >/index.html; exec httpd -f -h /' >/dev/null; cove exec $N sh -c 'ip -6 addr show dev eth0; ip -4 route | grep -c default'
cove inspect -f '[{{(index .NetworkSettings.Networks "'$N-n'").GlobalIPv6Address}}]' $N; await "curl -gs 'http://[::1]:6392/'"; curl -gs 'http://[::1]:6392/'; cove run --rm --network $N-n --sysctl net.ipv6.conf.all.disable_ipv6=1 box ip -6 addr; cove rm -f $N >/dev/null; cove network rm $N-n >/dev/null`,
		`1\n\[\]\nreached`,
	},
	// moby#50600, moby#51147
	{
		"addresses that are none, and what a network that was refused leaves",
		`cove run --rm --dns 1.2.3.4.5 box true >/dev/null 2>&1; echo $?; cove network create --subnet 10.251.7.0/24 --gateway 10.250.7.1 $N >/dev/null 2>&1; echo $?
cove network create --subnet 10.251.7.0/24 -o com.docker.network.bridge.name=longer-than-15-bytes $N >/dev/null 2>&1; echo $?; cove network inspect $N >/dev/null 2>&1; echo $?; ip addr | grep -c 10.251.7; true`,
		`125\n1\n1\n1\n0`,
	},
	// cli#6582
	{
		"stats of one container that is interrupted",
		`cove run -d --name $N box sleep 1000 >/dev/null; timeout --preserve-status -s INT 2 cove stats $N >/dev/null; echo $?`,
		`0`,
	},
	// runc#5101
	{
		"exec where the container sees the groups of the host, and writes to them",
		`cove run -d --name $N --cgroupns host -v /sys/fs/cgroup:/sys/fs/cgroup box sleep 1000 >/dev/null; cove exec $N echo in; cove exec $N sh -c 'grep -c /cove/ /proc/self/cgroup >/dev/null && echo grouped'`,
		`in\ngrouped`,
	},
	// runc#4971
	{
		"the mode of memory at a path that is there, and at one that is not",
		`cove run --rm --tmpfs /root --tmpfs /not-there box sh -c 'stat -c %a /not-there; [ $(stat -c %a /root) = 1777 ] || echo as it was'`,
		`1777(\nas it was)?`,
	},
	{
		"many execs with an empty standard input",
		`cove run -d --name $N box sleep 1000 >/dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do timeout 30 cove exec -i $N cat </dev/null || echo hangs; done; cove pause $N >/dev/null; cove cp $N:/bin/sh - | tar tf -; cove unpause $N >/dev/null`,
		`sh`,
	},
	{
		"wait for one that is started again once",
		`cove run -d --name $N --restart on-failure:1 box sh -c 'exit 3' >/dev/null; cove wait $N; await "cove inspect -f '{{.RestartCount}} {{.State.Status}}' $N | grep -qx '1 exited'"; cove inspect -f '{{.State.ExitCode}}' $N`,
		`3\n3`,
	},
	{
		"a path with a colon and one with a new line",
		`mkdir c:d; echo z >c:d/f; cove run --rm --mount "type=bind,src=$PWD/c:d,dst=/x:y" box cat /x:y/f; cove run -d --name $N box sleep 1000 >/dev/null; cove exec $N sh -c 'echo a >"/tmp/1
2"'; cove cp -q "$N:/tmp/1
2" nl; cat nl; cove run --rm -v /tmp:/ box true 2>&1 | grep -c "destination can't be '/'"`,
		`z\na\n1`,
	},
}
