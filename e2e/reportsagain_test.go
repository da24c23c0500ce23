package e2e

// reportsAgain are of what is kept: logs over rotations, owners, links, aliases, groups, settings of images.
var reportsAgain = []report{
	// moby#27687
	{
		"logs --tail of long lines over several files has fewer lines than asked for",
		`cove run --name $N --log-opt max-size=1m --log-opt max-file=10 box sh -c 'i=10000; while [ $i -lt 13000 ]; do printf "%s %0900d\n" $i 0; i=$((i+1)); done' >/dev/null
cove logs --tail 2000 $N | cut -c1-5 >out; wc -l <out; sed -n '1p;$p' out; cove logs -n 0 $N; cove logs -n 2999 $N | wc -l`,
		`2000\n11000\n12999\n2999`,
	},
	// moby#37646, moby#32038
	{
		"logs -f stops when the file is rotated",
		`cove run -d --name $N --log-opt max-size=4k --log-opt max-file=100 box sh -c 'i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; until [ -e /seen ]; do sleep 0.1; done; i=0; while [ $i -lt 500 ]; do echo more $i; i=$((i+1)); done' >/dev/null
timeout 60 cove logs -f $N >out & await 'grep -q "line 1999" out' && cove exec $N touch /seen; wait $!; echo $?; wc -l <out; tail -n 1 out`,
		`0\n2500\nmore 499`,
	},
	// podman#16607
	{
		"results of health checks of another life count after a restart",
		`cove run -d --name $N --health-cmd 'wc -l </life; false' --health-interval 0.3s --health-retries 2 box sh -c 'echo x >>/life; exec sleep 1000' >/dev/null
state() { cove inspect -f "{{.State.Health.Status}} {{range .State.Health.Log}}{{.Output}}{{end}}" $N | tr -d '\n'; }
await 'state | grep unhealthy'; cove restart -t 0 $N >/dev/null; await 'state | grep 2'; state | grep -c 1; await 'state | grep unhealthy'`,
		`0`,
	},
	// podman#17777
	{
		"--health-on-failure restart restarts nothing",
		`cove run -d --name $N --health-cmd 'test $(wc -l </life) -gt 1' --health-interval 0.2s --health-retries 1 --health-on-failure restart box sh -c 'echo x >>/life; exec sleep 1000' >/dev/null
await 'cove inspect -f "{{.State.Health.Status}}" $N | grep ^healthy'; cove exec $N wc -l /life; cove inspect -f '{{.State.Status}}' $N`,
		`2 /life\nrunning`,
	},
	// moby#11394, moby#7296, moby#31816
	{
		"cp refuses links with relative parents, and a target below a link",
		`cove create --name $N box true >/dev/null; mkdir -p t/a t/b real; echo here >t/a/f; ln -s ../a/f t/b/l; ln -s real sl
cove cp -q t $N:/ && cove cp -q $N:/t back && readlink back/b/l && cat back/b/l; cove cp -q $N:/t/a/f sl/other && cat real/other; cove cp -q $N:/t/b/l sl/ && readlink real/l`,
		`\.\./a/f\nhere\nhere\n\.\./a/f`,
	},
	// podman#3894, moby#16555
	{
		"cp through a link that leads nowhere makes a directory; -L",
		`cove run -d --name $N box sleep 1000 >/dev/null; cove exec $N ln -s /tmp/none /link; echo hi >f; ln -s f g
cove cp -q f $N:/link/ 2>/dev/null; echo $?; cove exec $N ls -d /tmp/none 2>/dev/null; cove cp -q -L g $N:/g && cove exec $N cat /g; cove cp -q g $N:/h && cove exec $N readlink /h`,
		`1\nhi\nf`,
	},
	// nerdctl#154, runc#802
	{
		"groups of a user that was given as a number, as a name, with a group",
		`cove run --name $N box sh -c 'echo alice:x:4343:4343::/:/bin/sh >>/etc/passwd; printf "alice:x:4343:\nmore:x:4344:alice\n" >>/etc/group' >/dev/null; cove commit $N $N-i >/dev/null
for u in 4242 alice 4343 alice:alice alice:0; do cove run --rm -u $u $N-i id -G; done; cove run --rm -u 4242:7 --group-add more --group-add 9 $N-i id -G`,
		`0\n4343 4344\n4343 4344\n4343\n0\n7 (4344 9|9 4344)`,
	},
	// runc#1306, crun#644
	{
		"more groups of an exec of the runtime are ignored",
		`cove bundle --network none box b sleep 1000 >/dev/null; cove-runtime --root r run -d -b b $N </dev/null >/dev/null 2>&1
cove-runtime --root r exec --user 1000:1000 --additional-gids 5 --additional-gids 6 $N id -G
echo '{"user":{"uid":1000,"gid":1000,"additionalGids":[7,8]},"args":["id","-G"],"cwd":"/","env":["PATH=/bin:/usr/bin"]}' >p; cove-runtime --root r exec -p p $N; cove-runtime --root r delete -f $N`,
		`1000 0 5 6\n1000 7 8`,
	},
	// containerd#2709
	{
		"very many execs at once hang",
		`cove run -d --name $N box sleep 1000 >/dev/null; for i in $(seq 70); do cove exec $N echo 1 >>out & done; wait; wc -l <out; cove inspect -f '{{.State.Status}} {{len .ExecIDs}}' $N`,
		`70\nrunning 0`,
	},
	// moby#33039, nerdctl#2554
	{
		"an exec at a terminal does not end while something it left runs",
		`cove run -d --name $N box sleep 1000 >/dev/null; printf 'sleep 999 &\necho said\nexit 3\n' | timeout 30 script -qec "cove exec -it $N sh -m" /dev/null >out; echo $?; grep -c '^said' out`,
		`3\n1`,
	},
	// podman#3132, moby#35580, cli#940, cli#169, moby#26479, moby#29502
	{
		"commit loses what variables are, and its changes see none of them",
		`cove create --name $N -e 'A=1=2' -e EMPTY= --entrypoint /bin/echo box hi >/dev/null
cove commit -c 'ENV X=2:$A' -c 'ENV Y="a b" Z=c' -c 'CMD ["x y"]' -c 'LABEL l="m n"' $N $N-i >/dev/null
cove image inspect -f '{{range .Config.Env}}{{println .}}{{end}}{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{json .Config.Labels}}' $N-i | grep -v ^PATH; cove run --rm $N-i; cove commit -c 'CMD say it' -c 'ENTRYPOINT []' $N $N-j >/dev/null; cove image inspect -f '{{json .Config.Cmd}} {{json .Config.Entrypoint}}' $N-j`,
		`A=1=2\nEMPTY=\nX=2:1=2\nY=a b\nZ=c\n\["/bin/echo"\] \["x y"\] \{"l":"m n"\}\nx y\n\["/bin/sh","-c","say it"\] \["/bin/echo"\]`,
	},
	// moby#24322, compose#3498, moby#33661, moby#43709
	{
		"aliases are lost after disconnect and connect, and those of connect before the start",
		`cove network create $N-n >/dev/null; cove network create $N-m >/dev/null; cove create --name $N --network $N-n --network-alias one box sleep 1000 >/dev/null
cove network connect --alias two $N-m $N; cove start $N >/dev/null; at() { cove run --rm --network $N-$1 box ping -c 1 -w 10 $2 2>/dev/null | grep -o '1 packets received' || echo none; }
at n one; at m two; at n two; cove network disconnect $N-n $N; cove network connect --alias three $N-n $N; at n three; cove restart -t 0 $N >/dev/null; at n three; at m two; cove rm -f $N >/dev/null`,
		`1 packets received\n1 packets received\nnone\n1 packets received\n1 packets received\n1 packets received`,
	},
	// moby#8721
	{
		"a link by another name has the address of before after a restart",
		`cove run -d --name $N-a box sleep 1000 >/dev/null; cove run -d --name $N-b --link $N-a:other box sleep 1000 >/dev/null
cove stop -t 0 $N-a >/dev/null; cove run -d --name $N-c box sleep 1000 >/dev/null; cove start $N-a >/dev/null; a=$(cove inspect -f '{{.NetworkSettings.IPAddress}}' $N-a)
await "cove exec $N-b grep -w other /etc/hosts | grep -w $a" && cove exec $N-b ping -c 1 -w 10 other | grep -o '1 packets received'`,
		`1 packets received`,
	},
	// crun#1001, runc#2369
	{
		"swap in a bundle: none without memory, and none at all",
		`cove bundle --network none box b true >/dev/null; edit() { python3 -c "import json; c=json.load(open('b/config.json')); c['linux']['resources']['memory']=$1; c['process']['args']=['sh','-c','cat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes /sys/fs/cgroup/memory.swap.max 2>/dev/null; true']; json.dump(c,open('b/config.json','w'))"; }
edit "{'swap':0}"; cove-runtime --root r run -b b $N >/dev/null; echo $?; edit "{'limit':33554432,'swap':33554432}"; cove-runtime --root r run -b b $N`,
		`0\n(33554432|0)`,
	},
	// crun#511
	{
		"exec of a directory ends as another error than one that may not be executed",
		`cove run -d --name $N box sleep 1000 >/dev/null; cove exec $N /etc 2>/dev/null; echo $?; cove exec $N /etc/passwd 2>/dev/null; echo $?; cove exec $N /none 2>/dev/null; echo $?; cove run --rm box /etc 2>/dev/null; echo $?`,
		`126\n126\n127\n126`,
	},
	// moby#22509
	{
		"the owner of a volume deep in a tree is lost",
		`printf 'FROM box\nRUN mkdir -p /a/b/c/d/e/f && chown -R 1000:1001 /a && chmod 750 /a/b/c/d/e/f\nVOLUME /a/b/c/d/e/f\n' >Dockerfile; cove build -q -t $N-i . >/dev/null
cove run --rm $N-i stat -c '%u:%g %a' /a/b/c/d/e/f /a/b; cove run --rm -v $N-v:/a/b/c/d/e/f $N-i stat -c '%u:%g %a' /a/b/c/d/e/f; cove run --rm -v $N-w:/a/b $N-i stat -c '%u:%g %a' /a/b /a/b/c/d/e/f`,
		`1000:1001 750\n1000:1001 755\n1000:1001 750\n1000:1001 755\n1000:1001 750`,
	},
	// moby#28041, moby#25854, moby#35486
	{
		"a volume that is a directory of the host has its owner changed by the image",
		`mkdir v; chown 1000:1000 v; chmod 700 v; cove volume create -o type=none -o o=bind -o device=$PWD/v $N-v >/dev/null; cove run --rm -v $N-v:/full made true; stat -c '%a %u:%g' v`,
		`700 1000:1000`,
	},
	{
		"a start that fails makes of a container one that never ran",
		`mkdir src
cove run --name $N -v $PWD/src:/s box sh -c 'exit 3'
rmdir src
cove start $N 2>&1 | grep -o 'no such file or directory'
cove inspect -f '{{.State.Status}} {{.State.ExitCode}} {{ne .State.StartedAt "0001-01-01T00:00:00Z"}}' $N
mkdir src; cove start -a $N; echo $?`,
		`no such file or directory\nexited 125 true\n3`,
	},
}
