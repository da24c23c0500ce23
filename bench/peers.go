package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cove/bench/asker"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// peerVariables name the engines in command lines. Each has a store that rows
// share, and a spare one that a row empties before each of its runs.
var peerVariables = map[string]string{
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
network_backend = "cni"
`
	dockerConf = `{"default-ulimits":{"nofile":{"Name":"nofile","Soft":1024,"Hard":4096}},"insecure-registries":["127.0.0.0/8"]}`
)

// An engine is named by its client's name in lower case.
const (
	cove   = "cove"
	docker = "docker"
	podman = "podman"
)

// cli is the variable that holds an engine's command, spare that for its spare
// store.
func cli(engine string) string   { return "$" + strings.ToUpper(engine) }
func spare(engine string) string { return cli(engine) + "_SPARE" }

// ready needs an engine's daemons, where it has any.
func ready(engine string) need {
	return need{engine + " is ready", func(ctx context.Context, tb *testbed) error {
		if engine != docker {
			return nil
		}
		if err := tb.dockerd("docker"); err != nil {
			return err
		}
		// The default bridge and the firewall belong to the first daemon.
		if err := shell("ip link add spare0 type bridge; ip addr add 172.31.0.1/24 dev spare0; ip link set spare0 up")(ctx, tb); err != nil {
			return err
		}
		return tb.dockerd("docker-spare", "--bridge", "spare0", "--iptables=false")
	}}
}

func (tb *testbed) dockerd(name string, more ...string) error {
	at := filepath.Join(tb.work, name)
	argv := []string{
		"dockerd", "--config-file", tb.work + "/docker.json", "--data-root", at, "--exec-root", at + "-run",
		"-p", at + ".pid", "-H", "unix://" + at + ".sock",
	}
	_, err := tb.serve(name, "unix", at+".sock", append(argv, more...)...)
	return err
}

// imported needs the base image in an engine's store.
func imported(engine string) need {
	return need{"base image of " + engine, func(ctx context.Context, tb *testbed) error {
		if err := tb.prepare(ctx, ready(engine)); err != nil {
			return err
		}
		return run(cli(engine)+" import $CACHE/base.tar base")(ctx, tb)
	}}
}

// emptied leaves nothing in an engine's spare store.
func emptied(engine string) step {
	switch engine {
	case cove:
		return shell("rm -rf $WORK/cove-spare")
	case podman:
		return shell("$PODMAN_SPARE rmi -af >/dev/null")
	}
	return shell("$DOCKER_SPARE system prune -af >/dev/null")
}

// buildkitd needs BuildKit's daemon, and the base image as it takes one.
var buildkitd = need{"BuildKit is ready", func(ctx context.Context, tb *testbed) error {
	if err := tb.prepare(ctx, imported(cove)); err != nil {
		return err
	}
	if err := shell("$COVE save -o $WORK/base-oci.tar base; mkdir $WORK/base-oci; tar -C $WORK/base-oci -xf $WORK/base-oci.tar; rm $WORK/base-oci.tar")(ctx, tb); err != nil {
		return err
	}
	body, err := os.ReadFile(tb.work + "/base-oci/index.json")
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
	tb.vars["BASE"] = "oci-layout://base@" + index.Manifests[0].Digest.String()
	_, err = tb.serve("buildkitd", "unix", tb.work+"/buildkitd.sock", tb.vars["CACHE"]+"/buildkitd", "--addr",
		"unix://"+tb.work+"/buildkitd.sock",
		"--root", tb.work+"/buildkit", "--oci-worker-snapshotter", "overlayfs", "--oci-worker-net", "host",
		"--containerd-worker=false")
	return err
}}

// each makes a contender of every engine.
func each(engines []string, make func(engine string) contender) []contender {
	var in []contender
	for _, e := range engines {
		c := make(e)
		c.name = e
		in = append(in, c)
	}
	return in
}

// steps does one after the other.
func steps(all ...step) step {
	return func(ctx context.Context, tb *testbed) error {
		for _, do := range all {
			if err := do(ctx, tb); err != nil {
				return err
			}
		}
		return nil
	}
}
