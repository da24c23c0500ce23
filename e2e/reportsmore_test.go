package e2e

// moreReports are of the edges: what is paused or starting, what is typed oddly, what two share.
var moreReports = []report{
	// moby#34027, moby#16077, moby#22342
	{
		"a container that is paused cannot be stopped or killed",
		`cove run -d --name $N box sleep 1000 >/dev/null; cove pause $N >/dev/null
cove stop -t 0 $N >/dev/null; cove inspect -f '{{.State.Status}} {{.State.Paused}} {{.State.ExitCode}}' $N
cove start $N >/dev/null; cove pause $N >/dev/null; cove kill $N >/dev/null; cove wait $N; cove inspect -f '{{.State.Status}} {{.State.Paused}}' $N
cove start $N >/dev/null; cove pause $N >/dev/null; cove rm -f $N | sed "s/$N/gone/"`,
		`exited false 137\n137\nexited false\ngone`,
	},
	{
		"kill by STOP and CONT ends the container",
		`cove run -d --name $N box sh -c 'while :; do date +%N >/now; sleep 0.01; done' >/dev/null; await "cove exec $N test -s /now"
cove kill -s STOP $N >/dev/null; cove inspect -f '{{.State.Status}}' $N; cove exec $N sh -c 'a=$(cat /now); sleep 0.3; [ "$a" = "$(cat /now)" ] && echo stands'
cove kill -s CONT $N >/dev/null; await "cove exec $N sh -c 'a=\$(cat /now); sleep 0.3; [ \"\$a\" != \"\$(cat /now)\" ]'" && echo goes on; cove inspect -f '{{.State.Status}}' $N`,
		`running\nstands\ngoes on\nrunning`,
	},
	{
		"stop of one that restarts for ever hangs, or it comes back",
		`cove run -d --name $N --restart always box false >/dev/null; await "cove inspect -f '{{.RestartCount}}' $N | grep -v ^0"
timeout 20 cove stop -t 1 $N >/dev/null; a=$(cove inspect -f '{{.RestartCount}}' $N); sleep 2; [ "$a" = "$(cove inspect -f '{{.RestartCount}}' $N)" ] && cove inspect -f '{{.State.Status}} {{.State.Restarting}} {{.State.ExitCode}}' $N
cove start $N >/dev/null; await "cove inspect -f '{{.RestartCount}}' $N | grep -v ^0"; cove rm -f $N >/dev/null; cove inspect $N >/dev/null 2>&1; echo $?`,
		`exited false 1\n1`,
	},
	// nerdctl#2991, nerdctl#2270
	{
		"create with a policy starts it, and stop of always does not hold",
		`cove create --name $N --restart always box sleep 1000 >/dev/null; sleep 0.5; cove inspect -f '{{.State.Status}}' $N; cove start $N >/dev/null; cove stop -t 0 $N >/dev/null; sleep 1.5; cove inspect -f '{{.State.Status}} {{.RestartCount}}' $N`,
		`created\nexited 0`,
	},
	{
		"exec into what is paused, created or ended",
		`cove create --name $N box sleep 1000 >/dev/null; cove exec $N true 2>&1 | grep -c 'is not running'; cove start $N >/dev/null; cove pause $N >/dev/null
cove exec $N true 2>&1 | grep -c 'is paused, unpause the container'; cove exec $N true 2>/dev/null; echo $?; cove unpause $N >/dev/null; cove exec $N echo again; cove stop -t 0 $N >/dev/null; cove exec $N true 2>/dev/null; echo $?`,
		`1\n1\n1\nagain\n1`,
	},
	// moby#26009, moby#46773, cli#4404, cli#5057, cli#3630
	{
		"--env-file: quotes, comments, spaces, marks of order, variables without a value",
		`printf '\357\273\277FIRST=1\r\n# a comment\n  LEAD=x\nQUOTED="a b"\nINLINE=v # no comment\nEMPTY=\nTAKEN\nNOT_THERE\nTRAIL=y  \nEQ=a=b\n' >f; TAKEN=host cove run --rm --env-file f box env | grep -E '^(FIRST|LEAD|QUOTED|INLINE|EMPTY|TAKEN|NOT_THERE|TRAIL|EQ)=' | sort | cat -A
printf 'OK=1\n[config 1]\n' >g; cove run --rm --env-file g box true 2>&1 | grep -c "variable '\[config 1\]' contains whitespaces"; cove run --rm --env-file g box true 2>/dev/null; echo $?; printf '=x\n' >h; cove run --rm --env-file h box true 2>&1 | grep -c 'want KEY=VALUE'; cove run --rm --env-file none box true 2>/dev/null; echo $?`,
		`EMPTY=\$\nEQ=a=b\$\nFIRST=1\$\nINLINE=v # no comment\$\nLEAD=x\$\nQUOTED="a b"\$\nTAKEN=host\$\nTRAIL=y  \$\n1\n125\n1\n125`,
	},
	{
		"-e of a variable that is not set, is empty, or is not ASCII",
		`unset GONE; HERE=ü cove run --rm -e GONE -e HERE -e NONE= -e 'Grüße=ja nein' -e A=1 -e A=2 box env | grep -E '^(GONE|HERE|NONE|Gr.*e|A)=' | sort`,
		`A=2\nGrüße=ja nein\nHERE=ü\nNONE=`,
	},
	// podman#14928, podman#7062
	{
		"one port of the host on two of its addresses, and two ports for one of the container's",
		`for i in 1 2; do cove run -d --name $N-$i -p 127.0.7.$i:6380:80 -p 127.0.7.$i:6381:80 box sh -c "echo $i >/index.html; exec httpd -f -h /" >/dev/null; done
for a in 1 2; do for p in 6380 6381; do await "curl -s 127.0.7.$a:$p" && curl -s 127.0.7.$a:$p; done; done; cove run --rm -p 127.0.7.1:6380:80 box true 2>&1 | grep -c 'port is already allocated: it is in use by container'; cove port $N-1 | sort`,
		`1\n1\n2\n2\n1\n80/tcp -> 127.0.7.1:6380\n80/tcp -> 127.0.7.1:6381`,
	},
	{
		"a port of [::1] alone",
		`cove run -d --name $N -p '[::1]:6390:80' box sh -c 'echo six >/index.html; exec httpd -f -h /' >/dev/null; await "curl -gs 'http://[::1]:6390/'"; curl -gs 'http://[::1]:6390/'; curl -s --max-time 2 127.0.0.1:6390 >/dev/null; echo $?; cove port $N`,
		`six\n7\n80/tcp -> \[::1\]:6390`,
	},
	// moby#22466, moby#24800
	{
		"the name of one that is renamed, or removed, on a network",
		`cove network create $N-n >/dev/null; cove run -d --name $N-a --network $N-n --network-alias other-$N box sleep 1000 >/dev/null; cove run -d --name $N-c --network $N-n box sleep 1000 >/dev/null
look() { cove exec $N-c nslookup -type=a $1 127.0.0.11 >/dev/null 2>&1 && echo $2 is || echo $2 is not; }
look $N-a old; cove rename $N-a $N-b; look $N-a old; look $N-b new; look other-$N alias; cove rm -f $N-b >/dev/null; look $N-b new; look other-$N alias; cove rm -f $N-c >/dev/null; cove network rm $N-n >/dev/null`,
		`old is\nold is not\nnew is\nalias is\nnew is not\nalias is not`,
	},
	// moby#46747, moby#46733
	{
		"a start interval that is longer than the start period puts all checks off",
		`b=$(date +%s); cove run -d --name $N --health-cmd false --health-start-period 1s --health-start-interval 100s --health-interval 300ms --health-retries 1 box sleep 1000 >/dev/null
await "cove inspect -f '{{.State.Health.Status}}' $N | grep -qx unhealthy" && [ $(($(date +%s)-b)) -lt 40 ] && echo in time
cove run -d --name $N-b --health-cmd true --health-start-period 1000s --health-start-interval 100ms --health-interval 1000s box sleep 1000 >/dev/null; await "cove inspect -f '{{.State.Health.Status}}' $N-b | grep -qx healthy" && echo well`,
		`in time\nwell`,
	},
	// podman#2051, podman#11325, podman#3805
	{
		"--read-only with memory that is written, and what --tmpfs is mounted with",
		`cove run --rm --read-only --tmpfs /run --tmpfs /x:exec,size=1m,mode=0700,uid=5 box sh -c 'for d in / /run /x /dev/shm /tmp /dev; do touch $d/f 2>/dev/null && echo $d; done; grep -oE "^tmpfs /(run|x) tmpfs [^ ]+" /proc/mounts | sed "s/,inode64//"; stat -c "%u %a" /x'`,
		`/run\n/x\n/dev/shm\n/dev\ntmpfs /run tmpfs rw,nosuid,nodev,noexec,relatime(,mode=755)?\ntmpfs /x tmpfs rw,nosuid,nodev,relatime,size=1024k,mode=700,uid=5\n5 700`,
	},
	{
		"the mode of a directory that --tmpfs hides",
		`printf 'FROM box\nRUN mkdir /secret && chmod 710 /secret\n' >Dockerfile; cove build -q -t $N . >/dev/null; cove run --rm --tmpfs /secret $N sh -c 'stat -c %a /secret; grep -o "mode=[0-9]*" /proc/mounts | grep 710'; cove rmi $N >/dev/null`,
		`710\nmode=710`,
	},
	// runc#1450, crun#645
	{
		"a user by a number that nobody has, or by a name that is not there",
		`cove run --rm -u 12345 box sh -c 'id -u; id -g; echo $HOME; id -G'; cove run --rm -u 12345:67 --group-add 89 --group-add root box sh -c 'id -G | tr " " "\n" | sort -n | tr "\n" " "'; echo; cove run --rm --group-add no-such box true 2>/dev/null; echo $?; cove run --rm -u nobody-knows box true 2>&1 | grep -c 'unable to find user nobody-knows'; cove run --rm -u nobody-knows box true 2>/dev/null; echo $?
cove run -d --name $N -u 12345 --group-add 89 box sleep 1000 >/dev/null; cove exec $N id -G; cove exec -u 7 $N sh -c 'id -u; echo $HOME'; cove exec -u no-such $N true 2>/dev/null; echo $?`,
		`12345\n0\n/\n0\n0 67 89 \n125\n1\n125\n0 89\n7\n[^\n]*\n12[56]`,
	},
	// moby#25460, moby#39541
	{
		"update of memory above the swap, which was never named, or has no limit",
		`cove run -d --name $N -m 64m box sleep 1000 >/dev/null; cove inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' $N; cove update -m 256m $N >/dev/null && cove inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' $N; cove update -m 256m --memory-swap -1 $N >/dev/null && cove inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' $N; cove update -m 512m $N >/dev/null && cove inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' $N`,
		`67108864 134217728\n268435456 536870912\n268435456 -1\n536870912 -1`,
	},
	{
		"update of a container that does not run, and of what is no limit",
		`cove create --name $N box sleep 1000 >/dev/null; cove update --cpus 0.5 --pids-limit 50 --restart on-failure:3 $N >/dev/null; cove inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}' $N; cove update -m 1k $N >/dev/null 2>&1; echo $?; cove update $N >/dev/null 2>&1; echo $?; cove update --cpus 0.1 none-of-that >/dev/null 2>&1; echo $?`,
		`500000000 50 on-failure:3\n1\n[01]\n1`,
	},
	// moby#35702, moby#10654, moby#15438
	{
		"the order of events, and what they say of exits",
		`cove run -d --name $N box sh -c 'trap "exit 3" TERM; touch /up; while :; do sleep 0.05; done' >/dev/null; await "cove exec $N test -e /up"; cove exec $N sh -c 'exit 9'; cove stop $N >/dev/null; cove rm $N >/dev/null
cove events --since 10m --until 0s --filter container=$N --format '{{.Action}} {{with .Actor.Attributes.signal}}signal={{.}}{{end}}{{with .Actor.Attributes.exitCode}}code={{.}}{{end}}' | grep -vE '^exec.*(test|code=[01])' | sed 's/exec_\(create\|start\): .*/exec_\1/'`,
		`create ?\n(attach ?\n)?start ?\nexec_create ?\nexec_start ?\nexec_die ?code=9\nkill signal=15\n(stop ?\n)?die code=3\n(stop ?\n)?destroy ?`,
	},
	// moby#30803, cli#1954
	{
		"wait of what never ran, of several, and of one that goes",
		`cove create --name $N box true >/dev/null; timeout 10 cove wait $N; cove run -d --name $N-a box sh -c 'exit 5' >/dev/null; cove run -d --name $N-b box sh -c 'sleep 0.3; exit 6' >/dev/null; cove wait $N-b $N-a; echo $?; cove run -d --rm --name $N-c box sh -c 'sleep 0.5; exit 7' >/dev/null; cove wait $N-c; cove wait none-of-that 2>/dev/null; echo $?`,
		`0\n6\n5\n0\n7\n1`,
	},
	{
		"input that ends, is closed early, or is never read",
		`printf 'a\nb' | timeout 20 cove run -i --rm box cat; echo; yes | timeout 20 cove run -i --rm box head -n 1; echo $?; cove run -d --name $N box sleep 1000 >/dev/null; printf 'c' | timeout 20 cove exec -i $N cat; echo; yes | timeout 20 cove exec -i $N true; echo $?; timeout 20 cove exec $N cat </dev/zero; echo $?; printf x | timeout 20 cove run -i --rm box sh -c 'cat >/dev/null; sleep 0.2; echo after the end'`,
		`a\nb\ny\n0\nc\n0\n0\nafter the end`,
	},
	{
		"a command and an environment that are long",
		`a=$(head -c 120000 /dev/zero | tr '\0' a); cove run --rm -e "BIG=$a" box sh -c 'echo ${#1} ${#BIG}' x "$a"; cove create --name $N box echo "$a" >/dev/null; cove ps -a --no-trunc --filter name=$N --format '{{len .Command}}'; cove ps -a --filter name=$N --format '{{.Command}}' | wc -m; cove start -a $N | wc -c; set --; i=0; while [ $i -lt 3000 ]; do set -- "$@" "arg$i"; i=$((i+1)); done; cove run --rm box sh -c 'echo $#' x "$@"`,
		`120000 120000\n12000\d\n2\d\n120001\n3000`,
	},
	{
		"names that are no names",
		`for n in -x ü 'a b' a/b .x ''; do cove create --name "$n" box true >/dev/null 2>&1; echo $?; done | sort | uniq -c | tr -s ' '; cove create --name x box true 2>&1 | grep -c 'only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed'; cove create --name "$N-a_.-b" box true >/dev/null; cove volume create 'ü' >/dev/null 2>&1; echo $?; cove run --rm --label 'ключ=значение' --hostname h$N box hostname | sed "s/$N//"`,
		` 1 0\n 5 1\n1\n1\nh`,
	},
	{
		"-w that is not absolute, and -w with a variable",
		`cove run --rm -w rel box pwd 2>&1 | grep -c "is not an absolute path"; cove run --rm -w rel box pwd 2>/dev/null; echo $?; cove run --rm -w /new/dir box pwd; cove run --rm -w /etc/passwd box pwd 2>/dev/null; echo $?`,
		`1\n125\n/new/dir\n12[567]`,
	},
	{
		"sysctls and limits that the kernel, or nobody, knows",
		`cove run --rm --sysctl net.ipv4.no_such=1 box true 2>/dev/null; echo $?; cove run --rm --sysctl kernel.hostname=x box true 2>/dev/null; echo $?; cove run --rm --sysctl net.ipv4.ip_unprivileged_port_start=80 box cat /proc/sys/net/ipv4/ip_unprivileged_port_start
cove run --rm --ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=50 box sh -c 'ulimit -n; ulimit -Hn; ulimit -c; grep -c "Max processes *50 *50" /proc/self/limits'; cove run --rm --ulimit nosuch=1 box true 2>/dev/null; echo $?; cove run --rm --ulimit nofile=200:100 box true 2>/dev/null; echo $?`,
		`125\n125\n80\n100\n200\n0\n1\n125\n125`,
	},
	{
		"a seccomp profile with calls that this kernel does not know, and an errno of its own",
		`cat >p.json <<'J'
{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["no_such_call","mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}
J
cove run --rm --security-opt seccomp=p.json box mkdir /a 2>&1 | grep -ci 'no space'; echo '{' >bad.json; cove run --rm --security-opt seccomp=bad.json box true 2>/dev/null; echo $?; cove run --rm --security-opt seccomp=none.json box true 2>/dev/null; echo $?`,
		`1\n125\n125`,
	},
	{
		"options of logs that a driver does not have, and logs of none",
		`cove run --rm --log-opt no-such=1 box true 2>&1 | grep -c 'unknown log opt .no-such. for json-file log driver: there are'; cove run --rm --log-driver no-such box true 2>/dev/null; echo $?; cove run -d --name $N --log-driver none box echo x >/dev/null; cove wait $N >/dev/null; cove logs $N 2>&1 | grep -c 'does not support reading'; cove logs $N 2>/dev/null; echo $?; cove run --rm --log-opt max-size=x box true 2>/dev/null; echo $?; cove run --rm --log-driver none box echo shown`,
		`1\n125\n1\n1\n125\nshown`,
	},
	{
		"logs that are rotated under load lose lines, or keep too many files",
		`cove run --name $N --log-opt max-size=100k --log-opt max-file=3 box sh -c 'seq 1 60000' | md5sum | cut -c1-8; seq 1 60000 | md5sum | cut -c1-8; cove logs $N | tail -n 1; l=$(cove logs $N | wc -l); f=$(cove logs $N | head -n 1); [ $((f+l)) -eq 60001 ] && echo no gap; d=$(dirname $(cove inspect -f '{{.LogPath}}' $N)); ls $d | grep -cE '(log|json.log)(\.[0-9]+)?(\.gz)?$'`,
		`([0-9a-f]{8})\n[0-9a-f]{8}\n60000\nno gap\n3`,
	},
	{
		"--pid container:, and its end",
		`cove run -d --name $N box sleep 1000 >/dev/null; cove run --rm --pid container:$N box ps | grep -c 'sleep 1000'; cove run -d --name $N-b --pid container:$N box sleep 2000 >/dev/null; cove stop -t 0 $N >/dev/null; timeout 20 cove wait $N-b; cove run --rm --pid container:$N box true 2>/dev/null; echo $?; cove run --rm --pid container:none-of-that box true 2>/dev/null; echo $?`,
		`1\n137\n125\n125`,
	},
	{
		"names that are searched, and how many dots they need",
		`cove run --rm --dns 127.0.0.9 2>/dev/null --dns-search a.example --dns-search b.example --dns-option ndots:3 --dns-option timeout:1 box sh -c 'grep -vE "^#|^$" /etc/resolv.conf'; cove run --rm --dns-search . box sh -c 'grep -c ^search /etc/resolv.conf'; cove run --rm --dns nonsense box true 2>/dev/null; echo $?; cove run --rm --network host --dns 127.0.0.9 2>/dev/null box grep -c 127.0.0.9 /etc/resolv.conf`,
		`(nameserver 127.0.0.9\nsearch a.example b.example\noptions (ndots:3 timeout:1|timeout:1 ndots:3)|search a.example b.example\nnameserver 127.0.0.9\noptions (ndots:3 timeout:1|timeout:1 ndots:3))\n0\n125\n1`,
	},
	{
		"an init that is asked for reaps what others leave, and passes signals on",
		`cove run -d --name $N --init box sh -c 'trap "exit 8" USR1; (sleep 0.1 & exec true) ; touch /up; while :; do sleep 0.05; done' >/dev/null; await "cove exec $N test -e /up"; sleep 0.4; cove exec $N ps -o stat | grep -c Z; cove kill -s USR1 $N >/dev/null; cove wait $N; cove run --rm --init box sh -c 'exit 77'; echo $?; cove run --rm --init box no-such 2>/dev/null; echo $?`,
		`0\n8\n77\n127`,
	},
	{
		"filters of ps by state, label and the last ones",
		`cove run -d --name $N-a --label $N=1 box sleep 1000 >/dev/null; cove run -d --name $N-b --label $N=2 box sleep 1000 >/dev/null; cove pause $N-b >/dev/null; cove create --name $N-c --label $N=1 box true >/dev/null; cove run --name $N-d --label $N box sh -c 'exit 4' >/dev/null
p() { cove ps -a --filter label=$N "$@" --format '{{.Names}}' | sed "s/$N-//" | sort | tr -d '\n'; echo; }
p --filter status=paused; p --filter status=created; p --filter status=exited; p --filter exited=4; p --filter label=$N=1; p --filter status=running --filter status=created; p --filter name=^/$N-a$; cove ps --filter status=nonsense >/dev/null 2>&1; echo $?; cove ps -a --filter nonsense=1 >/dev/null 2>&1; echo $?; cove unpause $N-b >/dev/null`,
		`b\nc\nd\nd\nac\n(ac|a?bc|abc)\na\n1\n1`,
	},
	{
		"limits, as inspect says them and as the kernel has them",
		`cove run -d --name $N -m 96m --memory-reservation 32m --cpus 1.5 --cpu-shares 512 --pids-limit 33 --oom-score-adj 7 --shm-size 3m box sleep 1000 >/dev/null; cove inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}} {{.HostConfig.OomScoreAdj}} {{.HostConfig.ShmSize}}' $N; cove exec $N sh -c 'cat /proc/1/oom_score_adj; df -k /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true'`,
		`100663296 33554432 1500000000 512 33 7 3145728\n7\n3072\n33\n100663296`,
	},
	{
		"start of what runs, and start -a of it",
		`cove run -d --name $N box sh -c 'until [ -e /go ]; do sleep 0.1; done; echo the rest; exit 6' >/dev/null; cove start $N | sed "s/$N/same/"
(sleep 0.5; cove exec $N touch /go) & timeout 20 cove start -a $N; echo $?; cove pause $N >/dev/null 2>&1; cove create --name $N-p box sleep 1000 >/dev/null; cove start $N-p >/dev/null; cove pause $N-p >/dev/null; cove start $N-p 2>&1 | grep -c 'cannot start a paused container, try unpause instead'; cove restart -t 0 $N-p >/dev/null; cove inspect -f '{{.State.Status}}' $N-p`,
		`same\nthe rest\n6\n1\nrunning`,
	},
	// moby#34096, cli#6870
	{
		"cp to and from a container, and who owns what it made",
		`echo x >f; chown 1234:4321 f; ln -s f l; mkdir d; echo y >d/g; cove run -d --name $N -u 77 box sleep 1000 >/dev/null; cove cp -q f $N:/tmp/one; cove cp -q -a f $N:/tmp/two; cove cp -q -a d $N:/tmp/d; cove exec $N sh -c 'stat -c "%u:%g" /tmp/one /tmp/two /tmp/d; cat /tmp/two /tmp/d/g'; cove exec -u 0 $N sh -c 'chown 5:6 /tmp/two; ln -s /etc /tmp/etc'; cove cp -q -a $N:/tmp/two back; cat back; cove cp -q f $N:/tmp/etc/from-outside; cove exec $N cat /etc/from-outside; cove cp -q $N:/tmp/etc/hostname - | tar tf -; cove cp -q $N:/tmp/etc lnk; readlink lnk`,
		`0:0\n1234:4321\n0:0\nx\ny\nx\nx\nhostname\n/etc`,
	},
	{
		"volumes get owners and content of the image, once",
		`cove run --rm -v $N-v:/full made sh -c 'stat -c "%u:%g %a" /full; cat /full/file; echo changed >/full/file; rm -rf /full/none'; cove run --rm -v $N-v:/full made cat /full/file; cove run --rm -v $N-v:/data -u 1000 made cat /data/file; cove run --rm --mount type=volume,source=$N-w,target=/full,volume-nocopy made sh -c 'ls /full | wc -l'; cove volume rm $N-v $N-w >/dev/null`,
		`5:6 751\nfrom image\nchanged\n(changed|cat: can't open '/data/file': Permission denied)\n0`,
	},
}
