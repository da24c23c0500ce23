// Package composefile reads the builds of compose files as targets of a bake file.
package composefile

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	"go.yaml.in/yaml/v4"

	"cove/errdefs"
	"cove/internal/bakefile/definition"
)

// HasServices says whether a text is a compose file.
func HasServices(data []byte) bool {
	var doc struct {
		Services map[string]any `yaml:"services"`
	}
	return yaml.Unmarshal(data, &doc) == nil && doc.Services != nil
}

// Read makes a target of each service that is built, and a group of all.
func Read(d *definition.Definition, files []definition.File, env definition.Environment) error {
	variables, err := composeVariables(env)
	if err != nil {
		return err
	}
	details := types.ConfigDetails{Environment: variables}
	for _, f := range files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: f.Name, Content: f.Data})
	}
	project, err := loader.LoadWithContext(context.Background(), details, func(o *loader.Options) {
		o.SetProjectName("bake", false)
		o.SkipNormalization, o.SkipConsistencyCheck, o.SkipResolveEnvironment = true, true, true
		o.Profiles = []string{"*"}
	})
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", files[0].Name, err)
	}
	all := &definition.Group{Name: "default"}
	for _, name := range slices.Sorted(maps.Keys(project.Services)) {
		service := project.Services[name]
		if service.Build == nil {
			continue
		}
		t, err := composeTarget(service, project)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s: service %s: %w", files[0].Name, name, err)
		}
		all.Targets = append(all.Targets, t.Name)
		d.Add(t)
	}
	d.AddGroup(all)
	return nil
}

// composeVariables are what ${NAME} is worth: the environment, over the file .env.
func composeVariables(env definition.Environment) (types.Mapping, error) {
	out := types.Mapping{}
	file, err := os.Open(filepath.Join(env.Dir, ".env"))
	if err == nil {
		defer file.Close()
		given, err := dotenv.ParseWithLookup(file, dotenv.LookupFn(env.Lookup))
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, ".env: %w", err)
		}
		maps.Copy(out, given)
	}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if value, ok := env.Lookup(name); ok {
			out[name] = value
		}
	}
	return out, nil
}

// composeTarget is the build of a service.
func composeTarget(s types.ServiceConfig, project *types.Project) (*definition.Target, error) {
	b := s.Build
	t := &definition.Target{
		Name: definition.TargetName(s.Name), Context: word(filepath.Clean(b.Context)), Dockerfile: word(b.Dockerfile),
		DockerfileInline: word(b.DockerfileInline), Target: word(b.Target), Network: word(b.Network),
		Tags: b.Tags, NoCacheFilter: b.NoCacheFilter, Platforms: b.Platforms, Entitlements: b.Entitlements,
		Args: composeArgs(b.Args, project.Environment), Labels: pointers(b.Labels),
		ExtraHosts: composeHosts(b.ExtraHosts),
	}
	if b.Context == "" || strings.Contains(b.Context, "://") {
		t.Context = word(b.Context)
	}
	for name, value := range b.AdditionalContexts {
		if t.Contexts == nil {
			t.Contexts = map[string]string{}
		}
		if service, ok := strings.CutPrefix(value, types.ServicePrefix); ok {
			value = definition.TargetPrefix + definition.TargetName(service)
		}
		t.Contexts[name] = value
	}
	if s.Image != "" && len(t.Tags) == 0 {
		t.Tags = []string{s.Image}
	}
	if b.Pull {
		t.Pull = &b.Pull
	}
	if b.NoCache {
		t.NoCache = &b.NoCache
	}
	if b.ShmSize > 0 {
		t.ShmSize = word(units.BytesSize(float64(b.ShmSize)))
	}
	if b.Privileged {
		t.Entitlements = append(t.Entitlements, "security.insecure")
	}
	t.Ulimits = composeUlimits(b.Ulimits)
	if err := composeEntries(t, b, project); err != nil {
		return nil, err
	}
	return t, extend(t, b.Extensions["x-bake"])
}

// composeEntries takes over what is of several parts.
func composeEntries(t *definition.Target, b *types.BuildConfig, project *types.Project) (err error) {
	if t.CacheFrom, err = definition.ParseEntries(definition.CacheEntry, b.CacheFrom); err != nil {
		return err
	}
	if t.CacheTo, err = definition.ParseEntries(definition.CacheEntry, b.CacheTo); err != nil {
		return err
	}
	for _, key := range b.SSH {
		text := key.ID
		if key.Path != "" {
			text += "=" + key.Path
		}
		e, err := definition.ParseEntry(definition.AgentEntry, text)
		if err != nil {
			return err
		}
		t.SSH = append(t.SSH, e)
	}
	for _, use := range b.Secrets {
		secret, ok := project.Secrets[use.Source]
		if !ok {
			return errdefs.Errorf(errdefs.ErrNotFound, "there is no secret %q", use.Source)
		}
		e := definition.NewEntry("id", use.Source)
		switch {
		case secret.Environment != "":
			e.Set("env", secret.Environment)
		case secret.File != "":
			e.Set("src", filepath.Clean(secret.File))
		}
		t.Secrets = append(t.Secrets, e)
	}
	for kind, value := range map[string]string{"provenance": b.Provenance, "sbom": b.SBOM} {
		if value == "" {
			continue
		}
		e, err := definition.ParseAttest(kind, value)
		if err != nil {
			return err
		}
		t.Attest = append(t.Attest, e)
	}
	return nil
}

// composeArgs are build arguments: without a value they are the environment's.
func composeArgs(args types.MappingWithEquals, environment types.Mapping) map[string]*string {
	var out map[string]*string
	for name, value := range args {
		if value == nil {
			found, ok := environment[name]
			if !ok {
				continue
			}
			value = &found
		}
		if out == nil {
			out = map[string]*string{}
		}
		out[name] = value
	}
	return out
}

func composeHosts(hosts types.HostsList) map[string]*string {
	var out map[string]*string
	for name, addresses := range hosts {
		if out == nil {
			out = map[string]*string{}
		}
		out[name] = word(strings.Join(addresses, ","))
	}
	return out
}

func composeUlimits(limits map[string]*types.UlimitsConfig) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		l := limits[name]
		if l.Single != 0 {
			out = append(out, fmt.Sprintf("%s=%d:%d", name, l.Single, l.Single))
		} else {
			out = append(out, fmt.Sprintf("%s=%d:%d", name, l.Soft, l.Hard))
		}
	}
	return out
}

// extension is what x-bake of a build says that compose has no words for. Every list
// may be one text.
type extension struct {
	Tags          oneOrMore         `yaml:"tags"`
	CacheFrom     oneOrMore         `yaml:"cache-from"`
	CacheTo       oneOrMore         `yaml:"cache-to"`
	Secrets       oneOrMore         `yaml:"secret"`
	SSH           oneOrMore         `yaml:"ssh"`
	Platforms     oneOrMore         `yaml:"platforms"`
	Outputs       oneOrMore         `yaml:"output"`
	Pull          *bool             `yaml:"pull"`
	NoCache       *bool             `yaml:"no-cache"`
	NoCacheFilter oneOrMore         `yaml:"no-cache-filter"`
	Contexts      map[string]string `yaml:"contexts"`
	Attest        oneOrMore         `yaml:"attest"`
	Annotations   oneOrMore         `yaml:"annotations"`
}

type oneOrMore []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *oneOrMore) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*l = oneOrMore{node.Value}
		return nil
	}
	var list []string
	err := node.Decode(&list)
	*l = list
	return err
}

// extend completes a target by its x-bake, which may be nil.
func extend(t *definition.Target, x any) error {
	if x == nil {
		return nil
	}
	doc, err := yaml.Marshal(x)
	if err != nil {
		return err
	}
	var ext extension
	decoder := yaml.NewDecoder(strings.NewReader(string(doc)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&ext); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "x-bake: %w", err)
	}
	more := &definition.Target{
		Tags: slices.Concat(t.Tags, ext.Tags), Platforms: ext.Platforms, Pull: ext.Pull, NoCache: ext.NoCache,
		NoCacheFilter: ext.NoCacheFilter, Contexts: ext.Contexts, Annotations: ext.Annotations,
	}
	for name, texts := range map[string][]string{
		"cache-from": ext.CacheFrom, "cache-to": ext.CacheTo, "secret": ext.Secrets, "ssh": ext.SSH,
		"output": ext.Outputs, "attest": ext.Attest,
	} {
		if texts == nil {
			continue
		}
		of := definition.Entries[name]
		if *of.In(more), err = definition.ParseEntries(of.Kind, texts); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "x-bake: %s: %w", name, err)
		}
	}
	t.Merge(more)
	return nil
}

// word is nil for "".
func word(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func pointers(m map[string]string) map[string]*string {
	var out map[string]*string
	for k, v := range m {
		if out == nil {
			out = map[string]*string{}
		}
		out[k] = &v
	}
	return out
}
