package packaging

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"cove/registry/server/config"
)

const (
	tools = "../.cache/tools/" // the Makefile installs them
	chart = "../deploy/helm/cove-registry"
	kube  = "1.31.0" // what helm takes the cluster for: it knows none
)

// tool is the path of a program that the tests need.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(tools + name)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Skipf("%s is not there: make deps-test", name)
	}
	return path
}

// given is what whoever installs the chart has to say.
func given(more ...string) []string {
	args := []string{"--set", "database.url=postgres://cove:p@db/cove", "--set", "s3.bucket=images"}
	for _, set := range more {
		args = append(args, "--set", set)
	}
	return args
}

type object = map[string]any

// rendered are the objects of the chart by kind.
func rendered(t *testing.T, args ...string) map[string]object {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "helm"), append([]string{"template", "prod", chart, "--kube-version", kube, "--namespace", "images"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("helm template %v: %v\n%s", args, err, errs.String())
	}
	all := map[string]object{}
	for dec := yaml.NewDecoder(&out); ; {
		var o object
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind, ok := o["kind"].(string); ok {
			all[kind] = o
		}
	}
}

// at is what a path of an object has; numbers are places in lists.
func at(t *testing.T, o any, path ...any) any {
	t.Helper()
	for i, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := o.(object)
			o = m[step]
		case int:
			list, _ := o.([]any)
			if step >= len(list) {
				t.Fatalf("%v has no %v", path[:i], step)
			}
			o = list[step]
		}
	}
	return o
}

var container = []any{"spec", "template", "spec", "containers", 0}

// TestChartIsLinted has helm look at the chart as strictly as it does.
func TestChartIsLinted(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		given(), given("ingress.enabled=true", "ingress.host=r.example.com"), given("tls.secretName=cert"),
		{"--set", "database.existingSecret=db", "--set", "s3.bucket=b", "--set", "s3.existingSecret=s3", "--set", "admin.existingSecret=a"},
	} {
		cmd := exec.CommandContext(t.Context(), tool(t, "helm"), append([]string{"lint", "--strict", chart, "--kube-version", kube}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// TestChartAsksForWhatItNeeds: without database or bucket nothing is rendered.
func TestChartAsksForWhatItNeeds(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		"database: give url":     {"--set", "s3.bucket=b"},
		"s3: give the bucket":    {"--set", "database.url=postgres://db/cove"},
		"has no secretAccessKey": given("s3.accessKeyId=a"),
		"ingress: give its host": given("ingress.enabled=true"),
		"leave one of them out":  given("ingress.enabled=true", "ingress.host=h", "tls.secretName=cert"),
	} {
		out, err := exec.CommandContext(t.Context(), tool(t, "helm"), append([]string{"template", "prod", chart, "--kube-version", kube}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), says) {
			t.Errorf("%v: %v, want %q\n%s", args, err, says, out)
		}
	}
}

// TestChartRuns: what the pods are given is a configuration that a registry takes, and
// they are looked after.
func TestChartRuns(t *testing.T) {
	all := rendered(t, given("replicas=3", "s3.endpoint=https://s3.example.com", "s3.accessKeyId=id", "s3.secretAccessKey=sk",
		"ingress.enabled=true", "ingress.host=r.example.com", "ingress.tlsSecret=cert", "config.audit.keep=2160h", "config.log.level=warn")...)
	pod := all["Deployment"]
	if n := at(t, pod, "spec", "replicas"); n != 3 {
		t.Errorf("%v replicas", n)
	}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		if at(t, pod, append(slices.Clone(container), probe, "httpGet", "path")...) == nil {
			t.Errorf("there is no %s", probe)
		}
	}
	if at(t, pod, append(slices.Clone(container), "securityContext", "readOnlyRootFilesystem")...) != true {
		t.Error("the root is writable")
	}
	if n := at(t, all["PodDisruptionBudget"], "spec", "maxUnavailable"); n != 1 {
		t.Errorf("%v may be away", n)
	}
	if got := at(t, all["Ingress"], "spec", "tls", 0, "hosts", 0); got != "r.example.com" {
		t.Errorf("the ingress is of %v", got)
	}
	secrets, _ := all["Secret"]["stringData"].(object)
	key, err := base64.StdEncoding.DecodeString(secrets["secrets.key"].(string))
	if err != nil || len(key) != 32 {
		t.Errorf("the key that seals has %d bytes (%v)", len(key), err)
	}
	file := filepath.Join(t.TempDir(), "registry.yaml")
	text, _ := at(t, all["ConfigMap"], "data", "registry.yaml").(string)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range at(t, pod, append(slices.Clone(container), "env")...).([]any) {
		name, _ := at(t, env, "name").(string)
		from, _ := at(t, env, "valueFrom", "secretKeyRef", "key").(string)
		value, ok := secrets[from].(string)
		if !ok {
			t.Errorf("%s is of %q, which the secret has not", name, from)
		}
		t.Setenv(name, value)
	}
	c, err := config.Load(file)
	if err == nil {
		err = c.Complete()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if c.Database != "postgres://cove:p@db/cove" || c.Storage.S3.Bucket != "images" || !c.TLS.Off ||
		c.ExternalURL != "https://r.example.com" || c.Log.Level != "warn" || c.Log.Format != "json" || len(c.TrustedProxies) != 3 {
		t.Errorf("%+v", c)
	}
}

// TestChartWithItsOwnCertificate serves TLS from a secret, with secrets that are there.
func TestChartWithItsOwnCertificate(t *testing.T) {
	t.Parallel()
	all := rendered(t, "--set", "database.existingSecret=db", "--set", "database.key=url", "--set", "s3.bucket=b",
		"--set", "tls.secretName=cert", "--set", "sealKey.existingSecret=seal", "--set", "s3.caSecret=ca",
		"--set", "disruptionBudget.enabled=false", "--set", "serviceAccount.create=false")
	if all["PodDisruptionBudget"] != nil || all["ServiceAccount"] != nil || all["Ingress"] != nil {
		t.Error("what is off is rendered")
	}
	pod := all["Deployment"]
	if got := at(t, pod, append(slices.Clone(container), "readinessProbe", "httpGet", "scheme")...); got != "HTTPS" {
		t.Errorf("it is asked over %v", got)
	}
	if got := at(t, pod, append(slices.Clone(container), "env", 0, "valueFrom", "secretKeyRef", "key")...); got != "url" {
		t.Errorf("the database is of the key %v", got)
	}
	text, _ := at(t, all["ConfigMap"], "data", "registry.yaml").(string)
	if !strings.Contains(text, "certificate: /etc/cove/tls/tls.crt") || !strings.Contains(text, "ca: /etc/cove/s3-ca/ca.crt") {
		t.Errorf("the configuration is\n%s", text)
	}
	secrets, _ := all["Secret"]["stringData"].(object)
	if secrets["secrets.key"] != nil || secrets["database-url"] != nil || secrets["admin-password"] == nil {
		t.Errorf("the secret has %v", secrets)
	}
}

// TestComposeFile: docker's compose takes the file, and what the servers are given is a
// configuration that a registry takes.
func TestComposeFile(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), tool(t, "docker-compose"), "--file", "../deploy/compose/compose.yaml", "config")
	needed := []string{"COVE_DATABASE=postgres://cove:p@db/cove", "COVE_BUCKET=images", "COVE_URL=https://r.example.com"}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "give the") {
		t.Errorf("without settings: %v\n%s", err, out)
	}
	cmd = exec.CommandContext(context.Background(), cmd.Path, cmd.Args[1:]...)
	cmd.Env = append(os.Environ(), needed...)
	if out, err = cmd.Output(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var file object
	if err := yaml.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"registry-1", "registry-2"} {
		settings, _ := at(t, file, "services", name, "environment").(object)
		for key, value := range settings {
			if text, ok := value.(string); ok {
				t.Setenv(key, text)
			}
		}
		c, err := config.Load("")
		if err == nil {
			err = c.Complete()
		}
		if err != nil || c.Database != "postgres://cove:p@db/cove" || c.Storage.S3.Bucket != "images" || !c.TLS.Off {
			t.Errorf("%s: %v %+v", name, err, c)
		}
	}
}
