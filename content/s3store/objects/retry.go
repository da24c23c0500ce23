package objects

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// retryer tries a request so many times. Between tries it waits as the service says, or
// longer each time, and long from the first on where that asks for fewer requests.
func retryer(attempts int) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Throttles = append(o.Throttles, busy{})
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			return pause(attempt, err), nil
		})
	})
}

// busy are the answers 503 and 429, whatever they say beside: to a HEAD a service cannot
// say SlowDown, and each has words of its own for it.
type busy struct{}

// IsErrorThrottle implements retry.IsErrorThrottle.
func (busy) IsErrorThrottle(err error) aws.Ternary {
	switch statusOf(err) {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

const (
	shortPause = 50 * time.Millisecond
	longPause  = time.Second
	mostPause  = 10 * time.Second
)

// pause is how long to wait after the nth try. It is random, so that those who were told
// together do not come together again.
func pause(n int, err error) time.Duration {
	first := shortPause
	if (busy{}).IsErrorThrottle(err) == aws.TrueTernary || throttles[codeOf(err)] {
		first = longPause
	}
	most := min(first<<min(max(n-1, 0), 10), mostPause)
	wait := most/2 + rand.N(most/2)
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil {
		if s, err := strconv.Atoi(resp.Response.Header.Get("Retry-After")); err == nil && s > 0 {
			wait = max(wait, min(time.Duration(s)*time.Second, mostPause))
		}
	}
	return wait
}

// throttles are the words of services for too many requests, as far as they come with
// another status, or none: that of an object among many.
var throttles = map[string]bool{
	"SlowDown": true, "SlowDownRead": true, "SlowDownWrite": true, "ServiceUnavailable": true,
	"RequestLimitExceeded": true, "Throttling": true, "TooManyRequests": true, "ThrottlingException": true,
}

// again says that an object among many may be asked for once more.
func again(code string) bool {
	return throttles[code] || code == "InternalError" || code == "RequestTimeout"
}
