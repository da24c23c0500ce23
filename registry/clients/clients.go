// Package clients knows what to type into the programs that talk to a registry: to
// trust it, to sign in and push a first image, and to pull an artifact.
package clients

import (
	"fmt"
	"strings"

	"cove/registry/browse"
	"cove/registry/metadata"
)

// Client is a program that talks to the registry, and what to type for it.
type Client struct{ ID, Name, Commands string }

// Choose is the client of an id, the first one without.
func Choose(clients []Client, id string) Client {
	for _, c := range clients {
		if c.ID == id {
			return c
		}
	}
	return clients[0]
}

// Setup is what the commands of the first push depend on.
type Setup struct {
	Base string // URL of the registry
	Host string // as images are named
	User string
	Own  bool // the certificate is of the registry's own authority
}

// Clients lists all, with the commands of the first push.
func (s Setup) Clients() []Client {
	return []Client{
		{"docker", "docker", s.docker()},
		{"podman", "podman", s.podman()},
		{"containerd", "containerd", s.containerd()},
		{"kubelet", "Kubernetes", s.kubelet()},
		{"cove", "cove", s.cove()},
		{"buildkit", "BuildKit", s.buildkit()},
		{"helm", "Helm", s.helm()},
	}
}

// Plain says that the registry speaks plain HTTP.
func (s Setup) Plain() bool { return strings.HasPrefix(s.Base, "http://") }

// fetch are the lines that put the certificate where a client looks for it.
func (s Setup) fetch(dir string) string {
	if !s.Own || s.Plain() {
		return ""
	}
	return fmt.Sprintf("sudo mkdir -p %[1]s/%[2]s\nsudo curl -fsSk -o %[1]s/%[2]s/ca.crt %[3]s/ca.crt\n", dir, s.Host, s.Base)
}

// image is where the first image goes.
func (s Setup) image() string { return s.Host + "/" + metadata.DefaultProject + "/hello:v1" }

func (s Setup) docker() string {
	trust := s.fetch("/etc/docker/certs.d")
	if s.Plain() {
		trust = fmt.Sprintf("# add to /etc/docker/daemon.json, then restart docker:\n#   {\"insecure-registries\": [%q]}\n", s.Host)
	}
	return trust + fmt.Sprintf("docker login -u %s %s\ndocker pull busybox\ndocker tag busybox %[3]s\ndocker push %[3]s",
		s.User, s.Host, s.image())
}

func (s Setup) podman() string {
	flag := ""
	if s.Plain() {
		flag = " --tls-verify=false"
	}
	return s.fetch("/etc/containers/certs.d") + fmt.Sprintf(
		"podman login%[4]s -u %[1]s %[2]s\npodman pull docker.io/library/busybox\npodman tag docker.io/library/busybox %[3]s\npodman push%[4]s %[3]s",
		s.User, s.Host, s.image(), flag)
}

func (s Setup) containerd() string {
	const dir = "/etc/containerd/certs.d"
	toml := fmt.Sprintf("[host.%q]", s.Base)
	if s.Own && !s.Plain() {
		toml += fmt.Sprintf("\n  ca = %q", dir+"/"+s.Host+"/ca.crt")
	}
	return s.fetch(dir) + fmt.Sprintf(
		"sudo mkdir -p %[1]s/%[2]s\nsudo tee %[1]s/%[2]s/hosts.toml <<'EOF'\n%[3]s\nEOF\n"+
			"sudo nerdctl login -u %[4]s %[2]s\nsudo nerdctl pull busybox\nsudo nerdctl tag busybox %[5]s\nsudo nerdctl push %[5]s",
		dir, s.Host, toml, s.User, s.image())
}

func (s Setup) kubelet() string {
	trust := s.fetch("/etc/containerd/certs.d")
	if trust != "" {
		trust = "# on each node\n" + trust + "\n"
	}
	return trust + fmt.Sprintf("# once in each namespace; use a robot account where there is one\n"+
		"kubectl create secret docker-registry cove --docker-server=%[1]s --docker-username=%[2]s --docker-password=PASSWORD\n"+
		"kubectl patch serviceaccount default -p '{\"imagePullSecrets\": [{\"name\": \"cove\"}]}'\n\n"+
		"# then\nkubectl run hello --image=%[3]s", s.Host, s.User, s.image())
}

func (s Setup) cove() string {
	flag := ""
	if s.Plain() {
		flag = " --insecure-registry " + s.Host
	}
	return s.fetch("/etc/cove/certs.d") + fmt.Sprintf(
		"cove login%[4]s -u %[1]s %[2]s\ncove pull busybox\ncove tag busybox %[3]s\ncove push%[4]s %[3]s",
		s.User, s.Host, s.image(), flag)
}

// buildkit is a builder of buildx with a configuration of its own: the one of
// docker asks nobody for a registry's certificate.
func (s Setup) buildkit() string {
	table := fmt.Sprintf("[registry.%q]", s.Host)
	switch {
	case s.Plain():
		table += "\n  http = true"
	case s.Own:
		table += fmt.Sprintf("\n  ca = [%q]", "/etc/docker/certs.d/"+s.Host+"/ca.crt")
	}
	return s.fetch("/etc/docker/certs.d") + fmt.Sprintf(
		"cat >buildkitd.toml <<'EOF'\n%s\nEOF\ndocker buildx create --name cove --use --buildkitd-config buildkitd.toml\n"+
			"docker login -u %s %s\ndocker buildx build --push -t %s .", table, s.User, s.Host, s.image())
}

func (s Setup) helm() string {
	flag, trust := "", ""
	switch {
	case s.Plain():
		flag = " --plain-http"
	case s.Own:
		trust, flag = fmt.Sprintf("curl -fsSk -o cove-ca.crt %s/ca.crt\n", s.Base), " --ca-file cove-ca.crt"
	}
	return trust + fmt.Sprintf("helm registry login%[3]s -u %[1]s %[2]s\nhelm package ./chart\nhelm push%[3]s chart-0.1.0.tgz oci://%[2]s/%[4]s",
		s.User, s.Host, flag, metadata.DefaultProject)
}

// Push is what to type for a project that holds nothing yet.
func Push(host, project string) string {
	image := host + "/" + project + "/hello:v1"
	return "docker tag busybox " + image + "\ndocker push " + image
}

// Pull is what to type for an artifact, by the client that suits it best.
func Pull(host string, name browse.Name, kind string) []Client {
	image := host + "/" + name.String()
	switch kind {
	case "kind.chart":
		version := ""
		if name.Tag != "" {
			version = " --version " + strings.ReplaceAll(name.Tag, "_", "+")
		}
		return []Client{
			{"helm", "Helm", "helm pull oci://" + host + "/" + name.Repository + version},
			{"oras", "oras", "oras pull " + image},
		}
	case "kind.model":
		return []Client{
			{"modctl", "modctl", "modctl pull " + image},
			{"docker-model", "docker model", "docker model pull " + image},
			{"oras", "oras", "oras pull " + image},
		}
	case "kind.image", "kind.index":
		return []Client{
			{"docker", "docker", "docker pull " + image},
			{"podman", "podman", "podman pull " + image},
			{"containerd", "containerd", "nerdctl pull " + image},
			{"kubelet", "Kubernetes", "image: " + image},
			{"cove", "cove", "cove pull " + image},
		}
	}
	return []Client{
		{"oras", "oras", "oras pull " + image}, {"skopeo", "skopeo", "skopeo inspect --raw docker://" + image},
	}
}
