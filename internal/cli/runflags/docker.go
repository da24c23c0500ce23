package runflags

import (
	"github.com/spf13/pflag"

	"cove/internal/cli/app"
)

// registerDocker adds the flags of docker's that mean nothing on Linux, or without a
// daemon. They take what is done anyway, and refuse the rest by name.
func registerDocker(fs *pflag.FlagSet) {
	const windows = "only Windows has it"
	app.Register(fs,
		app.Only{Name: "cpu-count", Values: []string{"0"}, Why: windows + "; --cpus limits processors"},
		app.Only{Name: "cpu-percent", Values: []string{"0"}, Why: windows + "; --cpus limits processors"},
		app.Only{Name: "io-maxbandwidth", Values: []string{"0"}, Why: windows + "; --device-write-bps limits a device"},
		app.Only{Name: "io-maxiops", Values: []string{"0"}, Why: windows + "; --device-write-iops limits a device"},
		app.Only{
			Name: "isolation", Values: []string{"", "default"}, Why: "there is only default: others are of Windows",
		},
		app.Only{
			Name: "kernel-memory", Values: []string{"0"}, Why: "the kernel has no such limit any more; use --memory",
		},
		app.Only{
			Name: "storage-opt", Why: "overlay2 limits the size of a container only over xfs with project quotas, " +
				"which is not supported; let it write to --tmpfs TARGET:size=SIZE",
		},
		app.Only{Name: "volume-driver", Values: []string{"", "local"}, Why: "there is only local"},
		app.ContentTrust,
		app.Only{
			Name: "use-api-socket", Values: []string{"false"}, Switch: true,
			Why: "there is no daemon whose socket it could have; cove api serve --socket FILE --allow read " +
				"serves one with less than everything, and -v hands it in",
		},
	)
}
