package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk: a container that fills the disk on which its root is, is ended and removed,
// and so are others, which told what they ended with.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, disk, fill, more, paused string }{
		{"blocks", "size=24m", "cat /dev/zero >/v/fill", "echo >>/v/fill", "idle\nidle\n"},
		// That a container is paused is a file, for which there may be no room.
		{
			"inodes", "nr_inodes=700", "i=0; while >/v/$i; do i=$((i+1)); done", "while >/v/$i; do i=$((i+1)); done",
			"(?:idle\nidle\n|cove: .*no space left on device.*\ncove: container idle is not paused\n)",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			fullDisk(t, tc.disk, tc.fill, tc.more, tc.paused)
		})
	}
}

// fullDisk makes the root's disk with options; fill fills it, and more tries to go on. A pause
// and its end print what is paused.
func fullDisk(t *testing.T, disk, fill, more, paused string) {
	t.Helper()
	k := newShell(t)
	if err := os.Mkdir(k.root(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", k.root(), "tmpfs", 0, disk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = k.command("cove rm -f $(cove ps -aq)").Run() // as above
		if err := unix.Unmount(k.root(), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	k.do("cove import rootfs.tar box; cove tag box other; cove volume create big; cove volume create small; cove network create apart")
	k.do(awaiting + `
cove run -d --name idle box sh -c 'trap "exit 4" TERM; while :; do echo on; sleep 0.2; done'
cove run -d --name ending -v big:/v box sh -c 'until [ -e /v/full ]; do sleep 0.1; done; exit 7'
cove run -d --rm --name gone -v big:/v box sh -c 'until [ -e /v/full ]; do sleep 0.1; done'
cove run -d --name again --restart always -v big:/v box sh -c 'until [ -e /v/full ]; do sleep 0.1; done; exit 3'
cove create --name made box true
cove run -d --name full -v big:/v box sh -c '>/v/full.part; ` + fill + `; mv /v/full.part /v/full; while :; do ` + more + `; sleep 0.1; done'
await 'cove exec full test -e /v/full'`)
	for _, step := range []struct{ script, out string }{
		// What the one that is gone had is free for a moment.
		{"i=0; while [ $i -lt 99 ] && cove run --rm box true; do i=$((i+1)); done", "cove: .*no space left on device.*\n"},
		{"cove wait ending; cove inspect -f '{{.State.Status}} {{.State.ExitCode}}' ending", "7\nexited 7\n"},
		{awaiting + "await '! cove inspect gone'; cove ps -a --format '{{.Names}}' | sort | xargs", "again ending full idle made\n"},
		{"cove exec idle echo said; cove pause idle; cove unpause idle", "said\n" + paused},
		{"cove stop idle; cove inspect -f '{{.State.Status}} {{.State.ExitCode}}' idle", "idle\nexited 4\n"},
		{"cove rmi other; cove volume rm small; cove network rm apart", "Untagged: other:latest\nsmall\napart\n"},
		{"cove rm made ending idle", "made\nending\nidle\n"},
		{"cove rm -f again; cove ps -a --format '{{.Names}} {{.Status}}'", "again\nfull Up .*\n"},
		{"cove kill full; cove inspect -f '{{.State.Status}} {{.State.ExitCode}}' full", "full\nexited 137\n"},
		{"cove rm full; cove volume rm big; cove run --rm box echo room", "full\nbig\nroom\n"},
	} {
		out, _ := k.command(step.script).CombinedOutput()
		if !regexp.MustCompile("^(?:" + step.out + ")$").Match(out) {
			t.Errorf("%s\nprinted %s\nwant %s", step.script, out, step.out)
		}
	}
	if left := k.do("cove doctor"); strings.Contains(left, "left behind") {
		t.Error(left)
	}
}
