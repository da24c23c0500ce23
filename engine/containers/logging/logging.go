// Package logging reads where a container's output goes, in docker's words.
package logging

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"cove/errdefs"
	"cove/runner/logs/ship"
	"cove/runner/record"
)

// localSize and localFile are docker's of the driver local, and of what the drivers that
// send lines elsewhere keep of them here.
const (
	localSize = 20 << 20
	localFile = 5
)

// logOption reads the value of one option.
type logOption func(c *record.LogConfig, value string) error

var (
	// keptOptions bound a log that is kept.
	keptOptions = map[string]logOption{
		"max-size": maxSize, "max-file": maxFile, "max-age": maxAge, "compress": uncompressed,
	}
	// cacheOptions are of what is kept of lines that are sent elsewhere.
	cacheOptions = map[string]logOption{
		"cache-max-size": maxSize, "cache-max-file": maxFile, "cache-max-age": maxAge,
		"cache-disabled": func(c *record.LogConfig, value string) (err error) {
			c.NoCache, err = strconv.ParseBool(value)
			return err
		},
	}
	// lineOptions say how lines go to where they are kept or sent, and what with.
	lineOptions = map[string]logOption{
		"tag": func(_ *record.LogConfig, value string) error {
			_, err := ship.Tag(value, ship.Container{})
			return err
		},
		"mode": func(_ *record.LogConfig, value string) error {
			if value != ship.NonBlocking && value != "blocking" {
				return errdefs.Errorf(errdefs.ErrInvalid, "logger: logging mode not supported: %s", value)
			}
			return nil
		},
		"max-buffer-size": func(_ *record.LogConfig, value string) error {
			_, err := units.RAMInBytes(value)
			return err
		},
		"labels": anyValue, "env": anyValue, "labels-regex": pattern, "env-regex": pattern,
	}
	// syslogOptions are those of syslog beside them.
	syslogOptions = map[string]logOption{
		"syslog-address": anyValue, "syslog-facility": anyValue, "syslog-format": anyValue,
		"syslog-tls-ca-cert": anyValue, "syslog-tls-cert": anyValue, "syslog-tls-key": anyValue,
		"syslog-tls-skip-verify": anyValue,
	}
)

// Drivers are the names there are, that of a container which asks for none first.
func Drivers() []string { return []string{"json-file", "local", "none", ship.Syslog, ship.Journald} }

func anyValue(*record.LogConfig, string) error { return nil }

// uncompressed is a log that is to be compressed when it is rotated: none is.
func uncompressed(_ *record.LogConfig, value string) error {
	compress, err := strconv.ParseBool(value)
	if err == nil && compress {
		err = errdefs.Errorf(errdefs.ErrUnsupported,
			"log option compress=%s: files that were rotated stay as they are; max-size and max-file bound them", value)
	}
	return err
}

func pattern(_ *record.LogConfig, value string) error {
	_, err := regexp.Compile(value)
	return err
}

func maxSize(c *record.LogConfig, value string) (err error) {
	c.MaxSize, err = units.RAMInBytes(value)
	if err == nil && c.MaxSize <= 0 {
		err = strconv.ErrRange
	}
	return err
}

func maxFile(c *record.LogConfig, value string) (err error) {
	c.MaxFile, err = strconv.Atoi(value)
	if err == nil && c.MaxFile < 1 {
		err = strconv.ErrRange
	}
	return err
}

// leastAge keeps whoever looks at the age of files from doing nothing else.
const leastAge = time.Second

func maxAge(c *record.LogConfig, value string) (err error) {
	c.MaxAge, err = time.ParseDuration(value)
	if err == nil && c.MaxAge < leastAge {
		err = strconv.ErrRange
	}
	return err
}

// Config reads a driver and its options, in docker's words. The drivers that keep a
// log keep the same one, with other defaults.
func Config(driver string, options map[string]string) (record.LogConfig, error) {
	c := record.LogConfig{Driver: driver}
	if len(options) > 0 {
		c.Options = options
	}
	known := maps.Clone(lineOptions)
	switch driver {
	case "", "json-file":
		c.Driver = ""
		maps.Copy(known, keptOptions)
	case "local":
		c.MaxSize, c.MaxFile = localSize, localFile
		maps.Copy(known, keptOptions)
	case "none":
		if len(options) > 0 {
			return c, errdefs.Errorf(errdefs.ErrInvalid, "log driver none has no options")
		}
	case ship.Syslog, ship.Journald:
		c.MaxSize, c.MaxFile = localSize, localFile
		maps.Copy(known, cacheOptions)
		if driver == ship.Syslog {
			maps.Copy(known, syslogOptions)
		}
	default:
		return c, errdefs.Errorf(errdefs.ErrUnsupported,
			"log driver %s: there are json-file, local, none, syslog and journald", driver)
	}
	for key, value := range options {
		read := known[key]
		if read == nil {
			return c, errdefs.Errorf(errdefs.ErrUnsupported, "unknown log opt '%s' for %s log driver: there are %s",
				key, driver, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if err := read(&c, value); err != nil {
			if errdefs.KindOf(err) != nil {
				return c, err
			}
			return c, errdefs.Errorf(errdefs.ErrInvalid, "log option %s=%s: %w", key, value, err)
		}
	}
	if driver == ship.Syslog {
		return c, ship.CheckSyslog(options)
	}
	return c, nil
}

// Fields are the labels and variables of a container that its log's options name.
func Fields(options, labels map[string]string, env []string) map[string]string {
	vars := map[string]string{}
	for _, e := range env {
		key, value, _ := strings.Cut(e, "=")
		vars[key] = value
	}
	fields := map[string]string{}
	for _, of := range []struct {
		names, matching string
		has             map[string]string
	}{
		{options["labels"], options["labels-regex"], labels},
		{options["env"], options["env-regex"], vars},
	} {
		names := strings.Split(of.names, ",")
		matching, err := regexp.Compile(of.matching)
		for key, value := range of.has {
			if slices.Contains(names, key) || of.matching != "" && err == nil && matching.MatchString(key) {
				fields[key] = value
			}
		}
	}
	return fields
}
