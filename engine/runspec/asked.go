package runspec

import (
	"cmp"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/runner/record"
)

// Asked is what is kept of the options and the image's config, so that the
// container can be shown and committed later.
func Asked(img ocispec.ImageConfig, o Options) *record.Asked {
	return &record.Asked{
		Image:    record.ImageConfig(configured(img, o)),
		ReadOnly: o.ReadOnly, Security: o.Security, Resources: o.Resources, Tmpfs: o.Tmpfs, StopTimeout: o.StopTimeout,
		VolumesFrom: o.VolumesFrom, Devices: o.Devices, DeviceRules: o.DeviceRules, CDI: o.CDI, Groups: o.Groups,
		PublishAll: o.PublishAll, Annotations: o.Annotations, CgroupParent: o.CgroupParent,
		Attached: o.Attached,
	}
}

// configured is the image's config with the options over it.
func configured(cfg ocispec.ImageConfig, o Options) ocispec.ImageConfig {
	if o.Entrypoint != nil {
		cfg.Entrypoint, cfg.Cmd = o.Entrypoint, nil
	}
	if len(o.Command) > 0 {
		cfg.Cmd = o.Command
	}
	cfg.User = cmp.Or(o.User, cfg.User)
	cfg.WorkingDir = cmp.Or(o.Workdir, cfg.WorkingDir)
	cfg.StopSignal = cmp.Or(o.StopSignal, cfg.StopSignal)
	cfg.Env = MergeEnv(cfg.Env, o.Env)
	cfg.Labels = Labels(cfg, o)
	exposed := make(map[string]struct{}, len(o.Expose))
	for _, port := range o.Expose {
		exposed[port] = struct{}{}
	}
	cfg.ExposedPorts = merged(cfg.ExposedPorts, exposed)
	return cfg
}
