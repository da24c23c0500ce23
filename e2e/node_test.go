package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cove/distribution/distributiontest"
)

// nodeClients is the folder of Node's clients, or skips.
func nodeClients(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../.cache/clients")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules/dockerode"))
	}
	if _, missing := exec.LookPath("node"); err != nil || missing != nil || os.Geteuid() != 0 {
		t.Skipf("needs root, and Node's clients of docker, which make deps-test brings: %v, %v", err, missing)
	}
	return dir
}

// TestDockerode has Node's client do what programs do with it.
func TestDockerode(t *testing.T) {
	t.Parallel()
	dir, s := nodeClients(t), serveAPI(t)
	body, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root.tar")
	if err := os.WriteFile(root, body, 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "NODE_CLIENTS="+dir)
	registry := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	out, err := s.run(t.Context(), "", strings.Join([]string{"node", "testdata/clients/dockerode.cjs", root, registry}, " "))
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Log(out)
}

// devcontainer has one container that an image makes, and one that compose makes of a
// Dockerfile.
var devcontainer = map[string]string{
	"Dockerfile": "FROM box:1\nRUN mkdir -p /home/app && chown 1001:1001 /home /home/app\n",
	"image/.devcontainer/devcontainer.json": `{"build": {"dockerfile": "../../Dockerfile"}, "remoteUser": "app", "containerEnv": {"OF": "image"},
	"remoteEnv": {"R": "remote"}, "postCreateCommand": "echo created >/tmp/created", "runArgs": ["--hostname", "devbox", "--network", "none"],
	"mounts": ["source=dev-volume,target=/volume,type=volume"], "forwardPorts": [3000]}`,
	"compose/.devcontainer/devcontainer.json": `{"dockerComposeFile": "compose.yaml", "service": "dev", "workspaceFolder": "/workspace", "remoteUser": "app"}`,
	"compose/.devcontainer/compose.yaml": "name: of-dev\nservices:\n  dev:\n    build: {context: ../..}\n    command: sleep 1000\n    network_mode: none\n" +
		"    volumes: [\"..:/workspace\"]\n    environment: {OF: compose}\n",
}

// TestDevContainers has the command line of Dev Containers build, make, enter and find
// again what its files describe.
func TestDevContainers(t *testing.T) {
	t.Parallel()
	dir, s, at := nodeClients(t), serveAPI(t), t.TempDir()
	composeHome(t, s)
	body, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(at, "path")
	for name, text := range devcontainer {
		name = filepath.Join(at, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil { //nolint:gosec // the container's user reads it
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(docker(t, "28.2"), filepath.Join(path, "docker")); err != nil {
		t.Fatal(err)
	}
	// Its override file is in another folder, which newer versions of buildx ask about.
	s.env = append(s.env, "BUILDX_BAKE_ENTITLEMENTS_FS=0", "PATH="+path+":"+binDir(t)+":"+os.Getenv("PATH"))
	if out, err := s.run(t.Context(), string(body), "docker import - box:1"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passed := runSteps(t, s, []step{
		{args: "up --workspace-folder $D/image", out: `"outcome":"success".*"remoteUser":"app","remoteWorkspaceFolder":"/workspaces/image"`},
		{args: "exec --workspace-folder $D/image sh -c 'id -u; pwd; echo $OF $R; hostname; cat /tmp/created; ls -d /volume'", out: `(?s)1001\n/workspaces/image\nimage remote\ndevbox\ncreated\n/volume`},
		{args: "exec --workspace-folder $D/image sh -c 'exit 7'", code: 7},
		{args: "up --workspace-folder $D/image --expect-existing-container", out: `"outcome":"success"`},
		{args: "up --workspace-folder $D/image --remove-existing-container", out: `"outcome":"success"`},
		{args: "read-configuration --workspace-folder $D/image", out: `"remoteUser":"app"`},
		{args: "build --workspace-folder $D/image --image-name dev:built", out: `"outcome":"success","imageName":\["dev:built"\]`},
		{args: "up --workspace-folder $D/compose", out: `"outcome":"success".*"composeProjectName":"of-dev"`},
		{args: "exec --workspace-folder $D/compose sh -c 'id -u; pwd; echo $OF; ls -a'", out: `(?s)1001\n/workspace\ncompose\n.*\.devcontainer`},
	}, strings.NewReplacer("$D", at), "node "+dir+"/node_modules/@devcontainers/cli/devcontainer.js")
	t.Logf("devcontainer: %d commands pass", passed)
}
