package containers

import (
	"strconv"

	"github.com/docker/go-units"

	"cove/errdefs"
	"cove/runner/record"
)

// localSize and localFile are docker's of the driver local.
const (
	localSize = 20 << 20
	localFile = 5
)

// logConfig reads a driver and its options, in docker's words. Both drivers that keep
// a log keep the same one, with other defaults.
func logConfig(driver string, options map[string]string) (record.LogConfig, error) {
	c := record.LogConfig{Driver: driver}
	switch driver {
	case "", "json-file":
		c.Driver = ""
	case "local":
		c.MaxSize, c.MaxFile = localSize, localFile
	case "none":
		if len(options) > 0 {
			return c, errdefs.Errorf(errdefs.ErrInvalid, "log driver none has no options")
		}
	default:
		return c, errdefs.Errorf(errdefs.ErrUnsupported, "log driver %s: there are json-file, local and none", driver)
	}
	for key, value := range options {
		var err error
		switch key {
		case "max-size":
			c.MaxSize, err = units.RAMInBytes(value)
			if err == nil && c.MaxSize <= 0 {
				err = strconv.ErrRange
			}
		case "max-file":
			c.MaxFile, err = strconv.Atoi(value)
			if err == nil && c.MaxFile < 1 {
				err = strconv.ErrRange
			}
		default:
			return c, errdefs.Errorf(errdefs.ErrUnsupported,
				"log option %s: there are max-size and max-file", key)
		}
		if err != nil {
			return c, errdefs.Errorf(errdefs.ErrInvalid, "log option %s=%s: want a size, as 10m, or a number of files",
				key, value)
		}
	}
	return c, nil
}
