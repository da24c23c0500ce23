package record

import (
	"encoding/json"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// linuxSpec is what a Linux container has of a specs.Spec. Before it reads one
// byte, encoding/json builds coders for every type that a struct can reach:
// leaving the other platforms out saves more than reading the file takes.
type linuxSpec struct {
	Version     string            `json:"ociVersion"`
	Process     *specs.Process    `json:"process,omitempty"`
	Root        *specs.Root       `json:"root,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`
	Domainname  string            `json:"domainname,omitempty"`
	Mounts      []specs.Mount     `json:"mounts,omitempty"`
	Hooks       *specs.Hooks      `json:"hooks,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Linux       *specs.Linux      `json:"linux,omitempty"`
}

// DecodeSpec reads a runtime spec for Linux; what it says of other platforms
// is ignored.
func DecodeSpec(data []byte) (*specs.Spec, error) {
	var s linuxSpec
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	return &specs.Spec{
		Version: s.Version, Process: s.Process, Root: s.Root, Hostname: s.Hostname, Domainname: s.Domainname,
		Mounts: s.Mounts, Hooks: s.Hooks, Annotations: s.Annotations, Linux: s.Linux,
	}, nil
}

// EncodeSpec writes one.
func EncodeSpec(s *specs.Spec) ([]byte, error) {
	if s == nil {
		return []byte("null"), nil
	}
	return json.Marshal(linuxSpec{
		Version: s.Version, Process: s.Process, Root: s.Root, Hostname: s.Hostname, Domainname: s.Domainname,
		Mounts: s.Mounts, Hooks: s.Hooks, Annotations: s.Annotations, Linux: s.Linux,
	})
}
