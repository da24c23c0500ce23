package runspec

import (
	"cmp"
	"encoding/json"
	"maps"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Over puts what over sets in place of what cfg has.
func Over(cfg, over ocispec.ImageConfig) ocispec.ImageConfig {
	cfg.User = cmp.Or(over.User, cfg.User)
	cfg.WorkingDir = cmp.Or(over.WorkingDir, cfg.WorkingDir)
	cfg.StopSignal = cmp.Or(over.StopSignal, cfg.StopSignal)
	cfg.Env = MergeEnv(cfg.Env, over.Env)
	if over.Entrypoint != nil {
		cfg.Entrypoint = over.Entrypoint
	}
	if over.Cmd != nil {
		cfg.Cmd = over.Cmd
	}
	cfg.ExposedPorts = merged(cfg.ExposedPorts, over.ExposedPorts)
	cfg.Volumes = merged(cfg.Volumes, over.Volumes)
	cfg.Labels = merged(cfg.Labels, over.Labels)
	return cfg
}

func merged[V any](m, over map[string]V) map[string]V {
	if len(over) == 0 {
		return m
	}
	all := make(map[string]V, len(m)+len(over))
	maps.Copy(all, m)
	maps.Copy(all, over)
	return all
}

// KeepUnknown writes img with the fields of raw that the OCI struct lacks, as
// Healthcheck, OnBuild and Shell.
func KeepUnknown(raw []byte, img ocispec.Image) ([]byte, error) {
	written, err := json.Marshal(img)
	if err != nil {
		return nil, err
	}
	var was, is, config map[string]json.RawMessage
	for _, part := range []struct {
		from []byte
		to   *map[string]json.RawMessage
	}{{raw, &was}, {written, &is}} {
		if err := json.Unmarshal(part.from, part.to); err != nil {
			return nil, err
		}
	}
	if was["config"] != nil {
		if err := json.Unmarshal(was["config"], &config); err != nil {
			return nil, err
		}
	}
	kept := map[string]json.RawMessage{}
	for _, key := range []string{"Healthcheck", "OnBuild", "Shell"} {
		if config[key] != nil {
			kept[key] = config[key]
		}
	}
	// Unmarshal adds to a map that is there.
	if err := json.Unmarshal(is["config"], &kept); err != nil {
		return nil, err
	}
	if is["config"], err = json.Marshal(kept); err != nil {
		return nil, err
	}
	for key, value := range was {
		if is[key] == nil {
			is[key] = value
		}
	}
	return json.Marshal(is)
}
