package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// report is what people found wrong with docker, podman or runc and told their projects,
// done here.
type report struct {
	// subject is the report's, in few words; script does what it says, in a directory of its
	// own, where $N begins the names of what it makes.
	subject, script string
	// out is all that is printed, as a regular expression.
	out string
}

// awaiting is for scripts: it tries again for a minute what is not true yet.
const awaiting = `
await() { i=0; until eval "$1" >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 600 ] || { echo "never: $1"; return 1; }; sleep 0.1; done; }
`

// TestReports does what reports of bugs in other engines say, and wants what their authors
// expected.
func TestReports(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do("cove import -c 'CMD [\"sh\"]' rootfs.tar box; cove tag box other")
	dockerfile := "FROM box\nRUN mkdir /data /full && chmod 777 /data && chown 1000:1001 /data && echo from image >/full/file && chown 5:6 /full && chmod 751 /full\nVOLUME /data\nEXPOSE 81\n"
	if err := os.WriteFile(filepath.Join(k.work, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	k.do("cove build -q -t made .")
	t.Run("", func(t *testing.T) {
		for i, r := range slices.Concat(reports, moreReports, reportsAgain, newestReports) {
			t.Run(r.subject, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				name := "r" + string(rune('a'+i/26)) + string(rune('a'+i%26))
				cmd := k.command("cd " + dir + "; N=" + name + awaiting + r.script)
				out, err := cmd.CombinedOutput()
				if err != nil || !regexp.MustCompile(`^(?:`+r.out+`)\n?$`).Match(out) {
					t.Errorf("%v: printed\n%s\nwant %s", err, out, r.out)
				}
			})
		}
	})
	k.do("cove rm -fv $(cove ps -aq); cove network prune -f; cove volume prune -af")
	if left := strings.TrimSpace(k.do("cove doctor")); !strings.Contains(left, "nothing") && left != "" {
		t.Log(left)
	}
}

var reports = []report{
	// Exit codes.
	{
		"an exec whose output nobody takes waits for ever",
		`cove run -d --name $N box sleep 1000 >/dev/null
for t in "" -t; do timeout 20 cove exec $t $N sh -c 'while echo y; do :; done' 2>&1 >/dev/full | grep -o 'no space left on device'; done
timeout 20 cove exec $N sh -c 'while echo y; do :; done' | head -n 1
cove exec -dt $N sh -c 'seq 100000; touch /tmp/printed'
await "cove exec $N test -e /tmp/printed"`,
		`no space left on device\nno space left on device\ny`,
	},
	{
		"exit code of an exec that cannot start is inconsistent",
		`cove run -d --name $N box sleep 1000 >/dev/null
cove exec $N nonexist 2>/dev/null; echo $?
cove exec -t $N nonexist >/dev/null 2>&1; echo $?
cove exec $N /etc/passwd 2>/dev/null; echo $?
cove exec $N /etc 2>/dev/null; echo $?`,
		`127\n127\n126\n126`,
	},
	{
		"inconsistent exit status when a container is killed",
		`cove run -d --name $N box sleep 1000 >/dev/null
cove kill $N >/dev/null; cove wait $N; cove inspect -f '{{.State.ExitCode}} {{.State.Status}}' $N
cove run --rm box sh -c 'sh -c "kill -9 \$\$" 2>/dev/null; exit $?' 2>/dev/null; echo $?
cove run --rm --init box sh -c 'kill -15 $$'; echo $?`,
		`137\n137 exited\n137\n143`,
	},
	{
		"exec whose container ends hangs, and the container cannot be killed",
		`cove run -d --name $N box sh -c 'until [ -e /go ]; do sleep 0.1; done; exit 4' >/dev/null
cove exec $N sleep 1000 & pid=$!
await "cove top $N | grep -q 'sleep 1000'"
cove exec $N touch /go
cove wait $N; wait $pid; echo $?
cove kill $N 2>/dev/null; echo $?; cove rm $N >/dev/null`,
		`4\n137\n1`,
	},
	{
		"a non-zero code of what a directory, or what is not there, is run as",
		`cove run --rm box /etc 2>/dev/null; echo $?
cove run --rm box nonexist 2>/dev/null; echo $?
cove run --rm --entrypoint '' box 2>/dev/null; echo $?
cove run --name $N box nonexist 2>/dev/null; cove inspect -f '{{.State.Status}} {{.State.ExitCode}}' $N`,
		`126\n127\n12[57]\ncreated 127`,
	},

	{
		"what is piped to exec is cut, and what exec prints",
		`head -c 3000000 /dev/urandom | base64 >big; want=$(sha256sum <big); cove run -d --name $N -v $PWD/big:/big box sleep 1000 >/dev/null
cove exec -i $N sh -c 'cat >/tmp/big' <big; [ "$(cove exec $N sha256sum /tmp/big | cut -d' ' -f1)" = "${want%% *}" ] && echo in
[ "$(cove exec $N cat /big | sha256sum)" = "$want" ] && echo out; [ "$(cove run --rm -v $PWD/big:/big box cat /big | sha256sum)" = "$want" ] && echo run
[ "$(cove run --rm -i box cat <big | sha256sum)" = "$want" ] && echo both; cove rm -f $N >/dev/null`,
		`in\nout\nrun\nboth`,
	},
	{
		"groups of exec are not those of the container",
		`cove run -d --name $N --group-add 1 --group-add 7 box sleep 1000 >/dev/null
cove exec $N grep -h ^Groups: /proc/1/status /proc/self/status | sort -u | wc -l; cove exec -u 0:0 $N id -G; cove exec -u 4242 $N id -u; cove rm -f $N >/dev/null`,
		`1\n0 1 7\n4242`,
	},
	{
		"TERM of exec and run, with a terminal and without",
		`export TERM=of-the-client; cove run --rm box sh -c 'echo "[$TERM]"'; cove run --rm -t box sh -c 'echo "[$TERM]"' | tr -d '\r'; cove run --rm -t -e TERM=mine box sh -c 'echo "[$TERM]"' | tr -d '\r'
cove run -d -t --name $N box sleep 1000 >/dev/null; cove exec $N sh -c 'echo "[$TERM]"'; cove exec -t $N sh -c 'echo "[$TERM]"' | tr -d '\r'; cove rm -f $N >/dev/null`,
		`\[\]\n\[xterm\]\n\[mine\]\n\[\]\n\[xterm\]`,
	},
	{
		"a directory that -w names is not there",
		`cove run --rm -w /made/for/it box pwd; cove run --rm -w relative box true 2>/dev/null; echo $?; cove run -d --name $N box sleep 1000 >/dev/null; cove exec -w /none $N pwd 2>/dev/null; echo $?; cove rm -f $N >/dev/null`,
		`/made/for/it\n125\n12[67]`,
	},

	// Logs.
	{
		"logs of a container that was started again have the first life alone",
		`cove run --name $N box sh -c 'n=$(cat /n 2>/dev/null || echo 0); for i in 1 2 3; do n=$((n+1)); echo $n; done; echo $n >/n' >/dev/null
cove start -a $N >/dev/null; cove logs -f $N | tr '\n' ' '; cove logs --since 1s --until 0s -f $N >/dev/null; echo $?`,
		`1 2 3 4 5 6 0`,
	},
	{
		"logs -f loses what has no newline at the end",
		`cove run -d --rm --name $N box sh -c 'until [ -e /go ]; do sleep 0.1; done; echo hello; echo -n world' >/dev/null
cove logs -f $N >out & pid=$!
cove exec $N touch /go; wait $pid; cat out; echo .`,
		`hello\nworld\.`,
	},
	{
		"logs --tail fails with an empty log",
		`cove run --name $N box true; cove logs --tail 10 $N; echo $?; cove logs -f --tail 0 $N; echo $?`,
		`0\n0`,
	},
	{
		"logs --tail returns fewer lines than it was asked for while they are written",
		`cove run -d --name $N box sh -c 'i=0; while :; do i=$((i+1)); echo $i; done' >/dev/null
await "[ \$(cove logs $N | head -n 2000 | wc -l) = 2000 ]"
for i in 1 2 3 4 5; do cove logs --tail 1000 $N | wc -l; done | sort -u; cove rm -f $N >/dev/null`,
		`1000`,
	},
	{
		"following a large log with --tail does not go on",
		`cove run -d --name $N box sh -c 'i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo $i; done; until [ -e /go ]; do sleep 0.1; done; echo last' >/dev/null
await "cove logs --tail 1 $N | grep -q '^5000$'"
cove logs -f --tail 2 $N >out & pid=$!
await "grep -q 5000 out"; cove exec $N touch /go; wait $pid; echo $?; cat out`,
		`0\n4999\n5000\nlast`,
	},
	{
		"logs -f with a lot of output ends early as files are rotated",
		`cove run -d --name $N --log-opt max-size=64k --log-opt max-file=2 box sh -c 'until [ -e /go ]; do sleep 0.1; done; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done' >/dev/null
cove logs -f $N >out & pid=$!
cove exec $N touch /go; wait $pid; echo $?; tail -n 1 out`,
		`0\nline 20000`,
	},
	{
		"logs --since and --until of a moment in the future or the past",
		`cove run --name $N box echo said
cove logs --since 2100-01-01T00:00:00Z $N; cove logs --until 2001-01-01 $N; cove logs --since 1h --until 0s $N; cove logs --since 0 $N; cove logs --since 0s $N`,
		`said\nsaid\nsaid`,
	},

	// cp.
	{
		"cp to a link that leads nowhere makes a directory of what it names",
		`cove run -d --name $N box sh -c 'mkdir /tmp/d1 /tmp/d2; ln -s /tmp/none1 /tmp/d1/x; ln -s /tmp/none2 /tmp/d2/x; exec sleep 1000' >/dev/null
await "cove exec $N test -h /tmp/d2/x"; echo hi >file
cove cp -q file $N:/tmp/d1/x; cove exec $N cat /tmp/none1
cove cp -q file $N:/tmp/d2/x/ 2>/dev/null || echo refused; cove exec $N ls -d /tmp/none2 2>/dev/null || echo not made`,
		`hi\nrefused\nnot made`,
	},
	{
		"cp of a directory with a slash behind its name",
		`cove create --name $N made true >/dev/null; mkdir to from; echo 1 >from/a
cove cp -q $N:/full/ to/; ls to; cove cp -q $N:/full/. to; ls to; cove cp -q $N:/full new; ls new
cove cp -q from/. $N:/full; cove cp -q from/ $N:/full; cove cp $N:/full - | tar t | sort; cove cp -q from/a/ $N:/ 2>/dev/null || echo refused`,
		`full\nfile\nfull\nfile\nfull/\nfull/a\nfull/file\nfull/from/\nfull/from/a\nrefused`,
	},
	{
		"cp -L does not follow a link to a file",
		`cove create --name $N box true >/dev/null; mkdir d; echo text >d/file; ln -s file d/link
cove cp -q -L d/link $N:/; cove cp $N:/link - | tar tv | cut -c1; cove cp -q d/link $N:/again; cove cp $N:/again - | tar tv | cut -c1`,
		`-\nl`,
	},
	{
		"cp refuses a tree with links to a parent directory",
		`cove run --name $N box sh -c 'mkdir -p /tmp/test/s1 /tmp/test/s2; touch /tmp/test/s1/a; ln -s ../s1/a /tmp/test/s2/a; ln -s ../../../etc /tmp/test/up'
cove cp -q $N:/tmp/test .; readlink test/s2/a test/up`,
		`\.\./s1/a\n\.\./\.\./\.\./etc`,
	},
	{
		"cp to a path below a read-only mount, or to a volume that the container has read-only",
		`mkdir host; cove create --name $N -v $PWD/host:/h:ro -v $N:/v:ro --read-only box true >/dev/null; echo x >f
cove cp -q f $N:/h/f 2>/dev/null || echo refused; cove cp -q f $N:/v/f 2>/dev/null || echo refused; cove cp -q f $N:/f 2>/dev/null || echo refused; ls host`,
		`refused\nrefused\nrefused`,
	},

	{
		"cp to and from what is mounted in memory, of one that runs with the processes of the host",
		`cove run -d --name $N --pid host --tmpfs /mem box sleep 1000 >/dev/null; echo text >f; cove cp -q f $N:/mem/; cove exec $N cat /mem/f; cove cp -q $N:/mem/f back; cat back; cove rm -f $N >/dev/null
tar --owner=1042 --group=1043 -cf a.tar f; cove create --name $N box true >/dev/null; cove cp - $N:/ <a.tar; cove cp -a - $N:/tmp <a.tar; cove cp $N:/tmp/f - | tar tv --numeric-owner | awk '{print $2}'`,
		`text\ntext\n1042/1043`,
	},
	{
		"cp of a sparse file, of hard links, and of names that begin with a dash or have spaces",
		`mkdir 'a b' && truncate -s 64M 'a b/-hole' && echo x >'a b/one' && ln 'a b/one' 'a b/two'; cove create --name $N box true >/dev/null
cove cp -q 'a b' $N:/; cove cp -q "$N:/a b" back; ls back; stat -c '%s %h' 'back/-hole' back/one; cove cp $N:/none . 2>/dev/null; echo $?; cove cp -q 'a b/one' $N:/etc/passwd/x 2>/dev/null; echo $?`,
		`-hole\none\ntwo\n67108864 1\n2 2\n1\n1`,
	},

	// Volumes.
	{
		"a named volume does not get what the image has at its path, nor its owner",
		`cove run --rm -v $N:/full made sh -c 'cat /full/file; stat -c "%a %u:%g" /full'
cove run --rm -v $N:/full box cat /full/file`,
		`from image\n751 5:6\nfrom image`,
	},
	{
		"a volume of the image is restricted to root",
		`cove run --rm made stat -c '%a %u:%g' /data`,
		`777 1000:1001`,
	},
	{
		"a volume that is a directory of the host has its owner and mode changed",
		`mkdir host && chmod 775 host && chown 1000:1000 host && touch host/own
cove volume create --opt type=none --opt device=$PWD/host --opt o=bind $N >/dev/null
cove run --rm -v $N:/full made stat -c '%a %u:%g' /full; stat -c '%a %u:%g' host; ls host; cove volume rm $N >/dev/null; ls host`,
		`775 1000:1000\n775 1000:1000\nown\nown`,
	},
	{
		"nocopy",
		`cove run --rm --mount type=volume,src=$N,dst=/full,volume-nocopy made sh -c 'ls /full; stat -c %u /full'
cove run --rm -v $N-b:/full:nocopy made ls /full`,
		`0`,
	},
	{
		"options of a volume in memory are not heeded",
		`cove volume create -d local -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=1000,mode=711 $N >/dev/null
cove run --rm -v $N:/v box sh -c 'stat -c "%a %u" /v; df -k /v | tail -n 1 | awk "{print \$2}"'`,
		`711 1000\n1024`,
	},
	{
		"a volume is removed while a container that does not run has it",
		`cove volume create --label only=$N $N >/dev/null; cove create --name $N -v $N:/v box true >/dev/null; cove volume rm $N 2>&1 | grep -c 'in use'; cove volume prune -af --filter label=only=$N >/dev/null; cove volume ls -q -f name=$N
cove rm $N >/dev/null; cove volume rm $N >/dev/null; cove volume ls -q -f name=$N`,
		`1\n\w+`,
	},

	// Lists.
	{
		"ps --filter ancestor does not filter",
		`cove create --name $N-a made true >/dev/null; cove create --name $N-b other true >/dev/null
cove ps -a -f name=$N -f ancestor=made --format '{{.Names}}'; cove ps -a -f name=$N -f ancestor=none -q
cove ps -a -f name=$N -f ancestor=$(cove inspect -f '{{.Id}}' --type image made) --format '{{.Names}}'`,
		`\w+-a\n\w+-a`,
	},
	{
		"ps --filter health=starting is empty",
		`cove run -d --name $N-s --health-cmd 'sleep 1000' --health-interval 1h box sleep 1000 >/dev/null
cove run -d --name $N-h --health-cmd true --health-interval 100ms box sleep 1000 >/dev/null; cove run -d --name $N-n box sleep 1000 >/dev/null
await "cove ps | grep $N-h | grep -q '(healthy)'"
for h in starting healthy none unhealthy; do echo $h $(cove ps -f name=$N -f health=$h --format '{{.Names}}'); done; cove rm -f $N-s $N-h $N-n >/dev/null`,
		`starting \w+-s\nhealthy \w+-h\nnone \w+-n\nunhealthy`,
	},
	{
		"filters of ps: names with their slash, exit codes, what was before and since, ports, volumes and networks",
		`cove run --name $N-a box sh -c 'exit 7'; cove create --name $N-b -v $N:/v box true >/dev/null; cove run -d --name $N-c -p 127.0.0.1::81 box sleep 1000 >/dev/null
for f in name=^/$N-a$ name=^$N-b$ exited=7 before=$N-b since=$N-b publish=81 expose=81 volume=$N volume=/v status=created status=running network=bridge; do
echo $f: $(cove ps -a -f $f --format '{{.Names}}' | grep "^$N-" | sort); done | sed "s/$N/N/g"
cove ps -f status=nonsense 2>/dev/null || echo refused; cove rm -f $N-c >/dev/null`,
		`name=\^/N-a\$: N-a\nname=\^N-b\$: N-b\nexited=7: N-a\nbefore=N-b: N-a\nsince=N-b: N-c\npublish=81:\nexpose=81: N-c\nvolume=N: N-b\nvolume=/v: N-b\nstatus=created: N-b\nstatus=running: N-c\nnetwork=bridge: N-a N-b N-c\nrefused`,
	},

	// Ends and beginnings.
	{
		"--restart=on-failure does not work with a code of a signal",
		`cove run -d --restart on-failure:2 --name $N box sh -c 'exit 143' >/dev/null
await "[ \$(cove inspect -f '{{.State.Status}} {{.RestartCount}}' $N | tr ' ' -) = exited-2 ]"; cove inspect -f '{{.State.ExitCode}} {{.RestartCount}}' $N`,
		`143 2`,
	},
	{
		"a container of restart=always is not stopped by stop, and kill hangs",
		`cove run -d --restart always --stop-signal TERM --name $N box sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done' >/dev/null
cove stop $N >/dev/null; cove inspect -f '{{.State.Status}} {{.RestartCount}}' $N
cove start $N >/dev/null; cove kill $N >/dev/null; cove wait $N; cove inspect -f '{{.State.Status}} {{.State.Running}}' $N`,
		`exited 0\n137\nexited false`,
	},
	{
		"kill by a signal that is not fatal ends the restart policy",
		`cove run -d --restart always --name $N box sh -c 'trap "exit 3" USR1; touch /ready; while :; do sleep 0.1; done' >/dev/null
await "cove exec $N test -e /ready"; cove kill -s USR1 $N >/dev/null
await "[ \$(cove inspect -f '{{.RestartCount}}' $N) = 1 ]"; await "[ \$(cove inspect -f '{{.State.Running}}' $N) = true ]"; echo again; cove rm -f $N >/dev/null`,
		`again`,
	},
	{
		"stop cannot say which signal",
		`cove run -d --name $N box sh -c 'trap "exit 9" INT; touch /ready; while :; do sleep 0.1; done' >/dev/null
await "cove exec $N test -e /ready"; cove stop -s SIGINT $N >/dev/null; cove inspect -f '{{.State.ExitCode}}' $N; cove stop -s NONSENSE $N 2>/dev/null || echo refused`,
		`9\nrefused`,
	},
	{
		"--rm leaves the anonymous volumes, or takes the named one",
		`before=$(cove volume ls -q | grep -v '^r' | wc -l); cove run --rm -v $N:/v -v /w box touch /v/kept; cove volume ls -q -f name=$N | wc -l; cove run --rm -v $N:/v box ls /v`,
		`1\nkept`,
	},
	{
		"a name that is taken, twice the same option, and a cidfile that is there",
		`cove create --name $N box true >/dev/null; cove create --name $N box true 2>&1 | grep -c 'in use by container'; touch cid
cove run --cidfile cid box echo no 2>/dev/null; echo $?; cove run --rm -v /tmp:/a -v /etc:/a box true 2>&1 | grep -c 'Duplicate mount point'`,
		`1\n125\n1`,
	},

	// Health.
	{
		"a check that fails is told as healthy",
		`cove run -dt --name $N --health-cmd 'echo bad; false' --health-interval 100ms --health-retries 2 box >/dev/null
await "cove ps | grep $N | grep -q '(unhealthy)'"; cove inspect -f '{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}' $N; cove rm -f $N >/dev/null`,
		`unhealthy 1 bad\n`,
	},
	{
		"a check that is under way when its container is stopped counts as failed",
		`cove run -d --name $N --health-cmd 'touch /checked; sleep 1000' --health-interval 100ms --health-retries 1 box sleep 1000 >/dev/null
await "cove exec $N test -e /checked"; cove stop -t 0 $N >/dev/null; cove inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' $N`,
		`(starting|unhealthy) 0`,
	},
	{
		"--health-on-failure=restart does not restart",
		`cove run -d --name $N --health-cmd false --health-interval 100ms --health-retries 1 --health-on-failure=restart --stop-timeout 0 box sleep 1000 >/dev/null
await "[ \$(cove inspect -f '{{.RestartCount}}' $N) -gt 0 ]" && echo again; cove rm -f $N >/dev/null`,
		`again`,
	},

	// Networks.
	{
		"a container is reached no more, by its port and its name, when it left a network and came back",
		`cove network create $N >/dev/null; cove network create $N-2 >/dev/null
for c in a b; do cove run -d -p 127.0.0.1::80 --name $N-$c --network $N box sh -c "echo $c >/index.html; exec httpd -f -h /" >/dev/null; done
cove network connect $N-2 $N-a; cove network connect $N-2 $N-b; cove network disconnect $N-2 $N-b; cove network disconnect $N-2 $N-a; cove network connect $N-2 $N-b
for c in a b; do at=$(cove port $N-$c 80/tcp); await "busybox wget -q -O page http://$at/"; cat page; cove ps -f name=$N-$c --format '{{.Ports}}' | sed "s/$at/AT/"; done
cove run --rm --network $N-2 box ping -c 1 -W 5 $N-b | grep -c '1 packets received'; cove run --rm --network $N-2 box ping -c 1 -W 1 $N-a 2>/dev/null || echo gone
cove network disconnect $N $N-a 2>&1 | grep -c 'publishes its ports'; cove rm -f $N-a $N-b >/dev/null; cove network rm $N $N-2 >/dev/null`,
		`a\nAT->80/tcp\nb\nAT->80/tcp\n1\ngone\n1`,
	},
	{
		"network connect resets the port that was chosen",
		`n=12b77690-fffb-434f-b3b3-ae2c97e14aa6; cove network create $n >/dev/null; cove run -d --name $N -p 127.0.0.1::80 box sleep 1000 >/dev/null
before=$(cove port $N); cove network connect $n $N; [ "$before" = "$(cove port $N)" ] && echo same; cove rm -f $N >/dev/null; cove network rm $n >/dev/null`,
		`same`,
	},
	{
		"a container cannot leave the default network, by its id, before it starts",
		`cove create --name $N box sh -c 'ls /sys/class/net' >/dev/null; cove network disconnect $(cove network ls -q -f name=bridge) $N; cove start -a $N`,
		`lo`,
	},
	{
		"aliases that are given before the start are lost",
		`cove network create $N >/dev/null; cove create --name $N-a --network $N --network-alias one box sleep 1000 >/dev/null
cove create --name $N-b box sleep 1000 >/dev/null; cove network connect --alias two $N $N-b
cove create --name $N-c --network $N box sleep 1000 >/dev/null; cove network connect --alias three $N $N-c
cove start $N-a $N-b $N-c >/dev/null
for name in one two three; do cove run --rm --network $N box ping -c 1 -W 5 $name | grep -c '1 packets received'; done
cove rm -f $N-a $N-b $N-c >/dev/null; cove network rm $N >/dev/null`,
		`1\n1\n1`,
	},
	{
		"a network that is in use is removed, and one of no container is not pruned",
		`cove network create $N >/dev/null; cove run -d --name $N --network $N box sleep 1000 >/dev/null; cove network rm $N 2>/dev/null || echo refused
cove network inspect -f '{{range .Containers}}{{.Name}}{{end}}' $N | sed "s/$N/N/"; cove rm -f $N >/dev/null; cove network rm $N >/dev/null; cove network inspect $N 2>/dev/null || echo gone`,
		`refused\nN\n\[\]\ngone`,
	},
	{
		"localhost of a container whose network is joined, and its end while it is",
		`cove run -d --name $N-a box sh -c 'echo page >/index.html; exec httpd -f -h /' >/dev/null
cove run --rm --network container:$N-a box sh -c 'i=0; until wget -q -O - http://127.0.0.1/; do i=$((i+1)); [ $i -lt 100 ] || break; sleep 0.1; done'
cove run --rm -p 1:1 --network container:$N-a box true 2>&1 | grep -c 'conflicting options'; cove stop -t 0 $N-a >/dev/null; cove run --rm --network container:$N-a box true 2>/dev/null; echo $?`,
		`page\n1\n125`,
	},

	// inspect and templates.
	{
		"words before a field that is not there are printed twice",
		`cove create --name $N box true >/dev/null; cove inspect -f 'My arch is {{.Architect}}' $N 2>/dev/null; echo " $?"`,
		`(My arch is )? ?1`,
	},
	{
		"a wrong --format exits with 0",
		`for verb in images ps 'volume ls' 'network ls' info version 'system df' 'stats --no-stream' 'history box' 'inspect box' 'events --until 0s'; do cove $verb --format '{{ .Bad' >/dev/null 2>&1 && echo $verb; done; cove images --format '{{.Bad}}' >/dev/null 2>&1 || echo refused`,
		`refused`,
	},
	{
		"inspect -f with json, maps and ports that are exposed alone",
		`cove run -d --name $N --label a=b made sleep 1000 >/dev/null; cove inspect -f '{{json .Config.Labels}} {{index .Config.Labels "a"}} {{.State.Pid | printf "%d" | len | lt 0}}' $N
cove inspect -f '{{range $p, $c := .NetworkSettings.Ports}}{{$p}} -> {{with $c}}{{(index . 0).HostPort}}{{else}}none{{end}}{{end}}' $N; cove rm -f $N >/dev/null`,
		`\{"a":"b"\} b true\n81/tcp -> none`,
	},
	{
		"inspect of a name that is a container's and a volume's",
		`cove volume create $N >/dev/null; cove create --name $N box true >/dev/null; cove inspect -f '{{.State.Status}}' $N; cove rm $N >/dev/null
cove inspect -f '{{.State.Status}}' $N 2>/dev/null; echo $?; cove container inspect $N 2>&1 | tail -n 1 | grep -ci 'no such container'; cove inspect -f '{{.Driver}}' $N`,
		`created\n\n?1\n1\nlocal`,
	},
	{
		"inspect of several of which one is not there",
		`cove create --name $N box true >/dev/null; cove inspect -f '{{.Name}}' $N none-of-that 2>err | sed "s/$N/N/"; cove inspect $N none-of-that >/dev/null 2>&1; echo $?; grep -c none-of-that err`,
		`/N\n1\n1`,
	},
}
