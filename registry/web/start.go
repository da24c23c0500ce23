package web

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"

	"cove/errdefs"
	"cove/registry/browse"
	"cove/registry/metadata"
)

// client is a program that talks to the registry, and what to type for it.
type client struct{ ID, Name, Commands string }

// choose is the client of an id, the first one without.
func choose(clients []client, id string) client {
	for _, c := range clients {
		if c.ID == id {
			return c
		}
	}
	return clients[0]
}

type startData struct {
	First       bool // there is nothing to see yet
	Fingerprint string
	File        string // the certificate's name when it is saved
	Clients     []client
	Client      client
	Project     string
}

func (p *Pages) start(a *ask) error {
	held, err := p.cfg.DB.Repositories(a.Context(), a.caller.Viewer(), "", 1)
	if err != nil {
		return err
	}
	s := setup{base: p.base(a), host: p.host(a), user: a.caller.Name, own: p.cfg.CA != nil}
	if s.user == "" {
		s.user = "USER"
	}
	d := startData{
		First: len(held) == 0, Project: metadata.DefaultProject, Clients: s.clients(),
		File: strings.NewReplacer(":", "-", "[", "", "]", "").Replace(s.host) + ".crt",
	}
	d.Client = choose(d.Clients, a.FormValue("client"))
	if s.own {
		if d.Fingerprint, err = p.fingerprint(); err != nil {
			return err
		}
	}
	title := "start.title"
	if d.First {
		title = "start.first"
	}
	return p.page(a, "start", "start", a.language.Text(title), d)
}

// fingerprint is that of the certificate, as openssl prints it.
func (p *Pages) fingerprint() (string, error) {
	text, err := p.cfg.CA()
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errdefs.Errorf(errdefs.ErrCorrupt, "the authority's certificate is no PEM")
	}
	sum := sha256.Sum256(block.Bytes)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":"), nil
}

// certificate is what clients are to trust, for everyone: without it nobody could
// tell that he signs in here.
func (p *Pages) certificate(a *ask) error {
	if p.cfg.CA == nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "this registry has no certificate authority of its own")
	}
	text, err := p.cfg.CA()
	if err != nil {
		return err
	}
	a.w.Header().Set("Content-Type", "application/x-pem-file")
	a.w.WriteHeader(http.StatusOK)
	_, err = a.w.Write(text)
	return err
}

// setup is what the commands of the first push depend on.
type setup struct {
	base, host, user string
	own              bool // the certificate is of our own authority
}

func (s setup) clients() []client {
	return []client{
		{"docker", "docker", s.docker()},
		{"podman", "podman", s.podman()},
		{"containerd", "containerd", s.containerd()},
		{"kubelet", "Kubernetes", s.kubelet()},
		{"cove", "cove", s.cove()},
		{"helm", "Helm", s.helm()},
	}
}

func (s setup) plain() bool { return strings.HasPrefix(s.base, "http://") }

// fetch are the lines that put the certificate where a client looks for it.
func (s setup) fetch(dir string) string {
	if !s.own || s.plain() {
		return ""
	}
	return fmt.Sprintf("sudo mkdir -p %[1]s/%[2]s\nsudo curl -fsSk -o %[1]s/%[2]s/ca.crt %[3]s/ca.crt\n", dir, s.host, s.base)
}

// image is where the first image goes.
func (s setup) image() string { return s.host + "/" + metadata.DefaultProject + "/hello:v1" }

func (s setup) docker() string {
	trust := s.fetch("/etc/docker/certs.d")
	if s.plain() {
		trust = fmt.Sprintf("# add to /etc/docker/daemon.json, then restart docker:\n#   {\"insecure-registries\": [%q]}\n", s.host)
	}
	return trust + fmt.Sprintf("docker login -u %s %s\ndocker pull busybox\ndocker tag busybox %[3]s\ndocker push %[3]s",
		s.user, s.host, s.image())
}

func (s setup) podman() string {
	flag := ""
	if s.plain() {
		flag = " --tls-verify=false"
	}
	return s.fetch("/etc/containers/certs.d") + fmt.Sprintf(
		"podman login%[4]s -u %[1]s %[2]s\npodman pull docker.io/library/busybox\npodman tag docker.io/library/busybox %[3]s\npodman push%[4]s %[3]s",
		s.user, s.host, s.image(), flag)
}

func (s setup) containerd() string {
	const dir = "/etc/containerd/certs.d"
	toml := fmt.Sprintf("[host.%q]", s.base)
	if s.own && !s.plain() {
		toml += fmt.Sprintf("\n  ca = %q", dir+"/"+s.host+"/ca.crt")
	}
	return s.fetch(dir) + fmt.Sprintf(
		"sudo mkdir -p %[1]s/%[2]s\nsudo tee %[1]s/%[2]s/hosts.toml <<'EOF'\n%[3]s\nEOF\n"+
			"sudo nerdctl login -u %[4]s %[2]s\nsudo nerdctl pull busybox\nsudo nerdctl tag busybox %[5]s\nsudo nerdctl push %[5]s",
		dir, s.host, toml, s.user, s.image())
}

func (s setup) kubelet() string {
	trust := s.fetch("/etc/containerd/certs.d")
	if trust != "" {
		trust = "# on each node\n" + trust + "\n"
	}
	return trust + fmt.Sprintf("# once in each namespace; use a robot account where there is one\n"+
		"kubectl create secret docker-registry cove --docker-server=%[1]s --docker-username=%[2]s --docker-password=PASSWORD\n"+
		"kubectl patch serviceaccount default -p '{\"imagePullSecrets\": [{\"name\": \"cove\"}]}'\n\n"+
		"# then\nkubectl run hello --image=%[3]s", s.host, s.user, s.image())
}

func (s setup) cove() string {
	flag := ""
	if s.plain() {
		flag = " --insecure-registry " + s.host
	}
	return s.fetch("/etc/cove/certs.d") + fmt.Sprintf(
		"cove login%[4]s -u %[1]s %[2]s\ncove pull busybox\ncove tag busybox %[3]s\ncove push%[4]s %[3]s",
		s.user, s.host, s.image(), flag)
}

func (s setup) helm() string {
	flag, trust := "", ""
	switch {
	case s.plain():
		flag = " --plain-http"
	case s.own:
		trust, flag = fmt.Sprintf("curl -fsSk -o cove-ca.crt %s/ca.crt\n", s.base), " --ca-file cove-ca.crt"
	}
	return trust + fmt.Sprintf("helm registry login%[3]s -u %[1]s %[2]s\nhelm package ./chart\nhelm push%[3]s chart-0.1.0.tgz oci://%[2]s/%[4]s",
		s.user, s.host, flag, metadata.DefaultProject)
}

// pushCommands are for a project that holds nothing yet.
func (p *Pages) pushCommands(a *ask, project string) string {
	image := p.host(a) + "/" + project + "/hello:v1"
	return "docker tag busybox " + image + "\ndocker push " + image
}

// pullClients are what to type for an artifact, by the client that suits it best.
func pullClients(host string, name browse.Name, kind string) []client {
	image := host + "/" + name.String()
	switch kind {
	case "kind.chart":
		version := ""
		if name.Tag != "" {
			version = " --version " + strings.ReplaceAll(name.Tag, "_", "+")
		}
		return []client{
			{"helm", "Helm", "helm pull oci://" + host + "/" + name.Repository + version},
			{"oras", "oras", "oras pull " + image},
		}
	case "kind.image", "kind.index":
		return []client{
			{"docker", "docker", "docker pull " + image},
			{"podman", "podman", "podman pull " + image},
			{"containerd", "containerd", "nerdctl pull " + image},
			{"kubelet", "Kubernetes", "image: " + image},
			{"cove", "cove", "cove pull " + image},
		}
	}
	return []client{
		{"oras", "oras", "oras pull " + image}, {"skopeo", "skopeo", "skopeo inspect --raw docker://" + image},
	}
}
