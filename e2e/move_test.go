package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// move is what docs/docker.md says of whoever comes from dockerd: $O is the client of that, $C
// cove's, $D a folder.
var move = []step{
	{args: "$O import -c 'CMD [\"sh\"]' - busybox:latest <$D/root.tar", out: `^sha256:`},
	{args: "DOCKER_BUILDKIT=0 $O build -q -t team/app:v1 $D/ctx 2>/dev/null", out: `^sha256:`},
	{args: "$O run --rm --network none -v data:/to busybox sh -c 'echo text >/to/f; chown 5:6 /to/f; chmod 640 /to/f; ln -s f /to/l; ln /to/f /to/h; mkdir -m 700 /to/dir; touch \"/to/sp ace\"'"},
	{args: "$O run -d --network none --name main -v data:/v -e X=y --restart unless-stopped team/app:v1 'echo w >/d/written; exec sleep 1000'", out: `^[0-9a-f]{64}$`},
	// Images: the same ids, configs and layers.
	{args: "$O save team/app:v1 busybox | $C load", out: `(?s)Loaded image: team/app:v1.*Loaded image: busybox:latest`},
	{args: "for f in '{{json .Config}}' '{{json .RootFS}}' '{{.Id}}'; do a=$($O image inspect -f \"$f\" team/app:v1); test \"$a\" = \"$($C image inspect -f \"$f\" team/app:v1)\" && echo same; done", out: `^same\nsame\nsame$`},
	{args: "$C run --rm team/app:v1", out: `^built\n7$`},
	// Volumes: owners, modes, and both kinds of links.
	{args: "$O run --rm --network none -v data:/from busybox busybox tar -c -C /from . | $C run --rm --network none -i -v data:/to busybox busybox tar -x -C /to"},
	{args: "for c in \"$O\" \"$C\"; do $c run --rm --network none -v data:/v busybox sh -c 'cd /v; stat -c \"%n %u %g %a %h %F\" f l h dir \"sp ace\"; cat h' >$D/$(echo $c | tr -dc a-z); done; ls $D | grep -c docker; cmp $D/*old $D/*cove", out: `^2$`},
	// Containers are made anew; what one wrote comes along as an image.
	{args: "$C run -d --network none --name main -v data:/v -e X=y --restart unless-stopped team/app:v1 'exec sleep 1000'", out: `^[0-9a-f]{64}$`},
	{args: "$O commit main team/app:state >/dev/null && $O save team/app:state | $C load && $C run --rm team/app:state 'cat /d/written'", out: `^w$`},
	{args: "$O export main | $C import - flat:1 && $C run --rm flat:1 cat /built", out: `^built$`},
	// And back.
	{args: "$C save team/app:state | $O load", out: `Loaded image: team/app:state`},
	{args: "$O rm -f main; $C rm -f main", out: `(?s)main.*main`},
}

// TestMoveFromDockerd takes what a dockerd has to cove.
func TestMoveFromDockerd(t *testing.T) {
	onlySoaked(t)
	cli := docker(t, "28.2")
	dockerd := abs(t, "../.cache/tools/docker-20.10/usr/sbin/dockerd")
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skipf("needs runc, which make deps-soak brings: %v", err)
	}
	s, dir := serveAPI(t), t.TempDir()
	body, err := rootfsTar()
	text := "FROM busybox\nRUN echo built >/built; chown 7:8 /built; mkdir -p /d; chown 7 /d; touch /d/x\nRUN rm /d/x\nVOLUME /v\nEXPOSE 80\n" +
		"HEALTHCHECK CMD true\nUSER 7\nWORKDIR /d\nENTRYPOINT [\"sh\",\"-c\"]\nCMD [\"cat /built; id -u\"]\nLABEL l=m\n"
	err = errors.Join(err, os.Mkdir(filepath.Join(dir, "ctx"), 0o755), os.WriteFile(filepath.Join(dir, "ctx/Dockerfile"), []byte(text), 0o600),
		os.WriteFile(filepath.Join(dir, "root.tar"), body, 0o600), os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{}"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	cmd := exec.Command(dockerd, "--config-file", filepath.Join(dir, "daemon.json"), "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"-p", filepath.Join(dir, "pid"), "-H", "unix://"+filepath.Join(dir, "d.sock"), "--bridge", "none", "--iptables=false", "--ip6tables=false")
	cmd.Env, cmd.Stdout, cmd.Stderr = append(s.env, "PATH="+abs(t, "../.cache/tools/docker-20.10/usr/sbin")+":"+abs(t, "../.cache/tools/docker-20.10/usr/bin")+
		":"+abs(t, "../.cache/tools/containerd-1.6/usr/bin")+":"+os.Getenv("PATH")), &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // by the signal
	})
	for name, host := range map[string]string{"old": "unix://" + filepath.Join(dir, "d.sock"), "cove": s.host} {
		if out, err := s.run(t.Context(), "", cli+" context create "+name+" --docker host="+host); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	s.env = append(s.env, "DOCKER_HOST=") // which would take the contexts' place
	for tries := 0; ; tries++ {
		if _, err := s.run(t.Context(), "", cli+" --context old version"); err == nil {
			break
		} else if tries > 200 {
			t.Fatalf("dockerd does not answer: %v\n%s", err, log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
	passed := runSteps(t, s, move, strings.NewReplacer("$O", cli+" --context old", "$C", cli+" --context cove", "$D", dir), "set -e;")
	t.Logf("from dockerd: %d of %d commands pass", passed, len(move))
}
