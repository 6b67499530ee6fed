//! The key that is meant by a name from another library, by the beginning of a key, or by a spelling mistake.

use crate::suggest::nearest;

/// A key of ours, and what Resilience4j, Polly, `MicroProfile` Fault Tolerance, Hystrix, opossum, go-zero, Failsafe, tower, backon,
/// tenacity and other crates call it; in small letters without `_`. A key comes after those whose words are more specific.
const SYNONYMS: &[(&str, &str)] = &[
    // retry
    (
        "attempts",
        "times time tries trys count max maxattempts maxretries maxretry maxtries maxtimes \
         maxretryattempts retries retry retrycount numretries n num limit stop stopafterattempt \
         maxattempt attemptcount repeat repeats",
    ),
    (
        "backoff",
        "delay wait interval mindelay maxdelay basedelay initialdelay initialinterval initialbackoff \
         minbackoff maxbackoff sleep pause waitduration delayms backoffms intervalms maxinterval \
         waittime strategy exponential exponentialbackoff mininterval basems base starting period",
    ),
    (
        "factor",
        "exponent growth backofffactor exponentialbackoffmultiplier exponentbase multiplier \
         coefficient",
    ),
    (
        "jitter",
        "usejitter randomizationfactor jitterdelay randomize randomizedwaitfactor withjitter random \
         ttljitter",
    ),
    (
        "on",
        "when condition retryon retryif if retryexceptions shouldhandle handle errors retryerrors \
         retryonexception applyon only predicate matching exceptions fallbackon filter",
    ),
    ("not_on", "aborton ignoreexceptions skipon abortif unless except exclude notretryon giveupon"),
    ("idempotent", "safe idempotence isidempotent unsafe"),
    ("not_executed", "unsent notsent beforesend"),
    ("retry_after", "delayfn delaygenerator notify serverdelay after"),
    (
        "max_duration",
        "maxelapsed maxelapsedtime maxtotaldelay totaldelay total maxtime stopafterdelay elapsed \
         totaltimeout",
    ),
    ("max_retry_after", "maxserverdelay retryaftercap retryafterlimit maxdelayfromserver"),
    ("budget", "retrybudget retryratio hedgebudget percent ratio"),
    // circuit_breaker
    (
        "failure_rate",
        "threshold failureratethreshold failurethreshold errorrate errorthreshold \
         errorthresholdpercentage failureratio failurepercentage errorratio rate ratio \
         errorpercentthreshold maxfailurerate errorpercentage",
    ),
    (
        "window",
        "windowsize slidingwindow slidingwindowsize slidingwindowtype rollingcounttimeout \
         rollingwindow samplingduration interval rolling statinterval period bucket buckets",
    ),
    (
        "min_calls",
        "minimumnumberofcalls minrequests requestvolumethreshold volumethreshold minimumthroughput \
         minthroughput mincount minimum min minimumcalls samples minsamples numberofcalls",
    ),
    (
        "consecutive",
        "consecutivefailures maxfailures failures failurecount handledeventsallowedbeforebreaking \
         maxconsecutivefailures count tripafter failureslimit",
    ),
    ("slow_call", "slowcalldurationthreshold slowcallduration slow slowthreshold slowafter"),
    ("slow_rate", "slowcallratethreshold slowcallrate slowratio"),
    (
        "open_for",
        "resettimeout waitduration waitdurationinopenstate opentimeout delay breakduration \
         durationofbreak sleepwindow reset cooldown cooloff openduration recovery recoverytimeout \
         resetafter closeafter breakfor opentime wait backoff open timeoutinopenstate",
    ),
    (
        "probes",
        "halfopen permittednumberofcallsinhalfopenstate halfopencalls halfopenmax halfopenmaxcalls \
         successthreshold success successes trials maxhalfopen halfopenrequests permittedcalls halfopenprobes \
         maxrequests testcalls",
    ),
    ("ramp", "slowstart warmup rampup rampuptime recoveryramp gradual"),
    ("probe_timeout", "halfopentimeout maxwaitdurationinhalfopenstate trialtimeout"),
    (
        "failure",
        "failon recordexceptions failureif recordif shouldhandle handle isfailure errorfilter on \
         failures failurepredicate",
    ),
    ("ignore", "skipon ignoreexceptions ignoreif noton except exclude whitelist"),
    ("mode", "enabled forceopen forced state disabled"),
    // rate_limited
    (
        "rate",
        "limit limitforperiod permits permitlimit rps qps persecond rpm perminute requests value \
         quota max replenish refill num limitrefreshperiod tokens",
    ),
    ("burst", "burstsize capacity bucketsize allowburst bucket maxburst"),
    ("wait", "timeoutduration maxwait timeout queue waitfor acquiretimeout maxdelay"),
    ("cost", "weight tokens permitspercall units n"),
    // bulkhead
    (
        "max",
        "maxconcurrent maxconcurrentcalls maxconcurrency limit concurrency concurrent value size \
         permits maxparallelization maxrunning poolsize capacity maxinflight inflight parallel n \
         maxhedgedattempts maxhedges hedgecount maxattempts attempts hedges maxcalls",
    ),
    (
        "queue",
        "waitingtaskqueue queuesize maxqueue maxqueuingactions queuecapacity queuelimit waiters \
         backlog maxqueued queuelength",
    ),
    ("max_wait", "wait maxwaitduration queuetimeout waittimeout acquiretimeout waitduration"),
    // cached
    (
        "ttl",
        "ttlseconds ttlsecs ttlms expire expires expiresin expireafter expireafterwrite expiry maxage \
         lifetime timetolive time seconds duration age timetoidle ttlsec ttlmillis keepfor",
    ),
    (
        "key",
        "by perkey keyby convert keyfn cachekey keys partition partitionby id keygenerator on arg \
         args scopekey per idempotencykey group keyed",
    ),
    ("max_entries", "size maxsize capacity maxcapacity maximumsize limit max entries maxitems"),
    (
        "max_bytes",
        "maxweight maximumweight weight weigher bytes memory maxmemory maxsizebytes bytelimit capacitybytes",
    ),
    ("stale_while_revalidate", "swr refreshafterwrite refresh refreshafter prefetch stale"),
    ("stale_if_error", "sie staleonerror graceperiod grace usestale"),
    ("negative", "cacheerrors negativettl cachenone errorttl result option errors"),
    ("refresh_timeout", "loadtimeout revalidatetimeout"),
    ("instances", "shared perinstance"),
    ("max_keys", "capacity maxentries maxsize size keylimit"),
    // idempotent
    ("fingerprint", "hash digest body payload requesthash"),
    ("owner", "user userid account caller session scopeby subject"),
    ("lease", "locktimeout lock lockttl inprogressexpiry leasetime"),
    ("duplicate", "onduplicate onrepeat repeat"),
    ("on_takeover", "takeover oncrash"),
    // fallback
    (
        "value",
        "default fallback fallbackmethod function with method action fallbackaction applyto \
         fallbackfn or then",
    ),
    ("within", "timeout after deadline limit max"),
    ("on_rejected", "rejected onrefused onrejection refusals kinds"),
    // timeout, deadline and hedged
    (
        "after",
        "timeout ms millis milliseconds duration seconds secs s delay value limit deadline percentile \
         hedgeafter hedgingdelay in time wait latency within max",
    ),
    // requires
    ("scope", "scopes role roles permission permissions right authority claim value store"),
    // hardened and hardened_service
    ("span_fields", "fields record skip args arguments attributes"),
    ("level", "loglevel loggedat severity"),
    ("name", "label id title operation call"),
    ("listen", "bind addr address port host http server"),
    ("admin", "adminport management metrics managementport adminaddr"),
    ("grace", "gracefulshutdown shutdowntimeout draintimeout drain shutdown graceperiod timeout"),
    ("config", "settings configfile file configuration conf"),
    // health_check and background
    ("every", "interval period each frequency delay schedule cron"),
    ("timeout", "within after deadline maxwait"),
    ("down_after", "failurethreshold failures unhealthythreshold fallcount fall retries threshold"),
    ("up_after", "successthreshold successes healthythreshold rise"),
    ("kind", "type probe readiness liveness ready live group"),
    ("restart", "backoff retry delay restartpolicy interval every period schedule"),
    ("order", "priority stage phase index"),
    ("keyed", "key perkey by"),
    ("ratio", "budget percent rate retryratio share"),
];

/// The one of `known` that `given` means: by what other libraries call it, by a spelling that is near, or as its beginning.
pub fn meant<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    // What is longer is no name.
    if given.len() > 64 {
        return None;
    }
    let plain = plain(given);
    let same = known.iter().find(|name| self::plain(name) == plain);
    let synonym = || {
        let of = |(key, words): &(&str, &str)| {
            words
                .split(' ')
                .any(|word| word == plain)
                .then(|| known.iter().find(|name| *name == key))
                .flatten()
        };
        SYNONYMS.iter().find_map(of)
    };
    let beginning = || {
        let mut begun = known.iter().filter(|name| plain.len() > 1 && self::plain(name).starts_with(&plain));
        begun.next().filter(|_| begun.next().is_none())
    };
    let longer = || {
        let mut within = known.iter().filter(|name| name.len() > 3 && plain.starts_with(&self::plain(name)));
        within.next().filter(|_| within.next().is_none())
    };
    // Half a word of another library, where it begins the words of one key alone.
    let begun_synonym = || {
        let begins = |(_, words): &&(&str, &str)| words.split(' ').any(|word| word.starts_with(&plain));
        let of = |(key, _): &(&str, &str)| known.iter().find(|name| *name == key);
        let mut begun = SYNONYMS.iter().filter(|_| plain.len() > 2).filter(begins).filter_map(of);
        begun.next().filter(|_| begun.next().is_none())
    };
    let found = same.or_else(synonym).copied();
    found
        .or_else(|| nearest(given, known.iter().copied()))
        .or_else(|| beginning().or_else(longer).or_else(begun_synonym).copied())
}

/// In small letters without `_`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{ATTRIBUTES, Attribute, RATE_LIMITER, RETRY_BUDGET, attribute};

    fn of<'a>(attribute: &'a Attribute, given: &str) -> Option<&'a str> {
        meant(given, attribute.keys.iter().map(|key| key.name))
    }

    #[test]
    fn names_of_other_libraries_are_known() {
        for (name, given, expected) in [
            ("retry", "att", "attempts"),
            ("retry", "times", "attempts"),
            ("retry", "max_attempts", "attempts"),
            ("retry", "maxRetries", "attempts"),
            ("retry", "delay", "backoff"),
            ("retry", "multiplier", "factor"),
            ("retry", "abortOn", "not_on"),
            ("retry", "attempst", "attempts"),
            ("cached", "ttl_seconds", "ttl"),
            ("cached", "time_to_live", "ttl"),
            ("cached", "size", "max_entries"),
            ("cached", "convert", "key"),
            ("circuit_breaker", "failureRateThreshold", "failure_rate"),
            ("circuit_breaker", "errorThresholdPercentage", "failure_rate"),
            ("circuit_breaker", "sliding_window", "window"),
            ("circuit_breaker", "requestVolumeThreshold", "min_calls"),
            ("circuit_breaker", "resetTimeout", "open_for"),
            ("circuit_breaker", "half_open", "probes"),
            ("circuit_breaker", "delay", "open_for"),
            ("circuit_breaker", "success", "probes"),
            ("circuit_breaker", "thresh", "failure_rate"),
            ("rate_limited", "wei", "cost"),
            ("hedged", "max_hedges", "max"),
            ("bulkhead", "maxConcurrentCalls", "max"),
            ("bulkhead", "concurrency", "max"),
            ("bulkhead", "waitingTaskQueue", "queue"),
            ("rate_limited", "limitForPeriod", "rate"),
            ("rate_limited", "burst_size", "burst"),
            ("rate_limited", "by", "key"),
            ("hedged", "delay", "after"),
            ("fallback", "timeout", "within"),
            ("health_check", "interval", "every"),
            ("idempotent", "hash", "fingerprint"),
            ("hardened_service", "port", "listen"),
        ] {
            assert_eq!(of(attribute(name).unwrap(), given), Some(expected), "{name}: {given}");
        }
    }

    #[test]
    fn what_means_nothing_stays_unknown() {
        for given in ["colour", "x", "", &"attempts".repeat(1000)] {
            assert_eq!(of(attribute("retry").unwrap(), given), None, "{given}");
        }
    }

    #[test]
    fn each_name_in_the_table_is_a_key() {
        for (key, words) in SYNONYMS {
            let mut known = ATTRIBUTES.iter().copied().chain([&RATE_LIMITER, &RETRY_BUDGET]);
            assert!(known.any(|attribute| attribute.key(key).is_some()), "{key}");
            assert!(words.split(' ').all(|word| plain(word) == word), "{key}");
        }
    }
}
