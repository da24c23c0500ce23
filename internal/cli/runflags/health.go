package runflags

import (
	"github.com/spf13/pflag"

	"cove/engine/containers"
)

func registerHealth(fs *pflag.FlagSet, o *containers.HealthOptions) {
	fs.StringVar(&o.Command, "health-cmd", "", "command that tells whether it is well, for its shell")
	fs.DurationVar(&o.Interval, "health-interval", 0, "time between two checks (default 30s)")
	fs.DurationVar(&o.Timeout, "health-timeout", 0, "how long one may take (default 30s)")
	fs.IntVar(&o.Retries, "health-retries", 0, "failures in a row that make it unhealthy (default 3)")
	fs.DurationVar(&o.StartPeriod, "health-start-period", 0, "how long it may take to start: failures do not count")
	fs.DurationVar(&o.StartInterval, "health-start-interval", 0, "time between two checks meanwhile (default 5s)")
	fs.StringVar(&o.OnFailure, "health-on-failure", "", "what is done when unhealthy: kill, restart, stop (default none)")
	fs.BoolVar(&o.None, "no-healthcheck", false, "do not check it, whatever its image says")
}
