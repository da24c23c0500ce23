// Package peers is the engines and registries that do the same work: how each is called, started and emptied.
package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cove/bench/asker"
	"cove/bench/lab"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Variables name the engines in command lines. Each has a store that rows
// share, and a spare one that a row empties before each of its runs.
var Variables = map[string]string{
	"COVE":          "$BIN/cove --root $WORK/cove",
	"COVE_SPARE":    "$BIN/cove --root $WORK/cove-spare",
	"PODMAN":        "podman --root $WORK/podman --runroot $WORK/podman-run --storage-driver overlay",
	"PODMAN_SPARE":  "podman --root $WORK/podman-spare --runroot $WORK/podman-spare-run --storage-driver overlay",
	"BUILDAH":       "buildah --root $WORK/podman --runroot $WORK/podman-run --storage-driver overlay",
	"BUILDAH_SPARE": "buildah --root $WORK/podman-spare --runroot $WORK/podman-spare-run --storage-driver overlay",
	"DOCKER":        "docker -H unix://$WORK/docker.sock",
	"DOCKER_SPARE":  "docker -H unix://$WORK/docker-spare.sock",
	"BUILDX":        "$TOOLS/buildx",
	"BUILDCTL":      "$CACHE/buildctl --addr unix://$WORK/buildkitd.sock",

	"CONTAINERS_CONF":      "$WORK/podman.conf",
	"DOCKER_BUILDKIT":      "0", // its client has no other builder without a plugin
	"OTEL_TRACES_EXPORTER": "none",
	"COVE_ADMIN_PASSWORD":  asker.Password,
}

// The limits are those that root without CAP_SYS_RESOURCE can give.
const (
	podmanConf = `[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
[network]
network_backend = "netavark"
`
	dockerConf = `{"default-ulimits":{"nofile":{"Name":"nofile","Soft":1024,"Hard":4096}},"insecure-registries":["127.0.0.0/8"]}`
)

// An engine is named by its client's name in lower case.
const (
	Cove   = "cove"
	Docker = "docker"
	Podman = "podman"
)

// CLI is the variable that holds an engine's command.
func CLI(engine string) string { return "$" + strings.ToUpper(engine) }

// Spare is that of its spare store.
func Spare(engine string) string { return CLI(engine) + "_SPARE" }

// Ready needs an engine's daemons, where it has any.
func Ready(engine string) lab.Need {
	return lab.Need{Name: engine + " is ready", Do: func(ctx context.Context, l *lab.Lab) error {
		if engine != Docker {
			return nil
		}
		if err := dockerd(l, "docker"); err != nil {
			return err
		}
		// The default bridge and the firewall belong to the first daemon.
		if err := lab.Shell("ip link add spare0 type bridge; ip addr add 172.31.0.1/24 dev spare0; ip link set spare0 up")(ctx, l); err != nil {
			return err
		}
		return dockerd(l, "docker-spare", "--bridge", "spare0", "--iptables=false")
	}}
}

func dockerd(l *lab.Lab, name string, more ...string) error {
	at := filepath.Join(l.Work, name)
	argv := []string{
		"dockerd", "--config-file", l.Work + "/docker.json", "--data-root", at, "--exec-root", at + "-run",
		"-p", at + ".pid", "-H", "unix://" + at + ".sock",
	}
	_, err := l.Serve(name, "unix", at+".sock", append(argv, more...)...)
	return err
}

// Imported needs the base image in an engine's store.
func Imported(engine string) lab.Need {
	return lab.Need{Name: "base image of " + engine, Do: func(ctx context.Context, l *lab.Lab) error {
		if err := l.Prepare(ctx, Ready(engine)); err != nil {
			return err
		}
		return lab.Run(CLI(engine)+" import $CACHE/base.tar base")(ctx, l)
	}}
}

// Emptied leaves nothing in an engine's spare store.
func Emptied(engine string) lab.Step {
	switch engine {
	case Cove:
		return lab.Shell("rm -rf $WORK/cove-spare")
	case Podman:
		return lab.Shell("$PODMAN_SPARE rmi -af >/dev/null")
	}
	return lab.Shell("$DOCKER_SPARE system prune -af >/dev/null")
}

// BuildKit needs BuildKit's daemon, and the base image as it takes one.
var BuildKit = lab.Need{Name: "BuildKit is ready", Do: func(ctx context.Context, l *lab.Lab) error {
	if err := l.Prepare(ctx, Imported(Cove)); err != nil {
		return err
	}
	if err := lab.Shell("$COVE save -o $WORK/base-oci.tar base; mkdir $WORK/base-oci; tar -C $WORK/base-oci -xf $WORK/base-oci.tar; rm $WORK/base-oci.tar")(ctx, l); err != nil {
		return err
	}
	body, err := os.ReadFile(l.Work + "/base-oci/index.json")
	if err != nil {
		return err
	}
	var index ocispec.Index
	if err := json.Unmarshal(body, &index); err != nil {
		return err
	}
	if len(index.Manifests) != 1 {
		return fmt.Errorf("the saved base image has %d manifests", len(index.Manifests))
	}
	l.Vars["BASE"] = "oci-layout://base@" + index.Manifests[0].Digest.String()
	_, err = l.Serve("buildkitd", "unix", l.Work+"/buildkitd.sock", l.Vars["CACHE"]+"/buildkitd", "--addr",
		"unix://"+l.Work+"/buildkitd.sock",
		"--root", l.Work+"/buildkit", "--oci-worker-snapshotter", "overlayfs", "--oci-worker-net", "host",
		"--containerd-worker=false")
	return err
}}

// EmptySpares frees the spare stores of those engines that were used.
func EmptySpares(ctx context.Context, l *lab.Lab) error {
	for _, e := range []string{Cove, Podman, Docker} {
		if l.Fine(Ready(e)) {
			if err := Emptied(e)(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// Each makes a contender of every engine.
func Each(engines []string, contender func(engine string) lab.Contender) []lab.Contender {
	var in []lab.Contender
	for _, e := range engines {
		c := contender(e)
		c.Name = e
		in = append(in, c)
	}
	return in
}

// Prepare makes a lab one in which the engines of this package can be. Their lock files
// and addresses go with its namespaces, and crun takes a hybrid of both kinds of control
// groups for the second kind.
func Prepare(ctx context.Context, l *lab.Lab) error {
	l.AfterServers(lab.Shell(removeGroups))
	return lab.Steps(
		lab.Shell(`mount -t tmpfs tmpfs /run; mkdir -p /run/lock
			! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified`),
		lab.Write("podman.conf", podmanConf), lab.Write("docker.json", dockerConf),
	)(ctx, l)
}

// removeGroups removes the control groups that the peers keep above those of
// their containers; one that somebody else still uses is not empty and stays.
const removeGroups = `for c in /sys/fs/cgroup/*; do for d in docker buildkit libpod_parent/conmon libpod_parent; do rmdir $c/$d 2>/dev/null || true; done; done`
