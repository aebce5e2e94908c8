package config

// Variable is a variable of the environment that functions read.
type Variable struct {
	Name     string
	Doc      string // one line
	Required bool
}

// Variables are all that there are under CROSSFADE_ for a function, in the order
// of their documents. FromEnv refuses every other one.
func Variables() []Variable {
	return []Variable{
		{envSource, "URL of the store whose events the function gets, such as s3://bucket/prefix", true},
		{envTarget, "URL of the store that it writes to", true},
		{envDeletes, "carry deletions: true or false, default true", false},
		{envForeign, "foreign objects on the target: keep, adopt or overwrite, default keep", false},
		{envConcurrency, "keys of one batch at once, default 16", false},
		{envTimeout, "the platform's limit for one invocation, where it does not tell it, such as 9m", false},
		{envMigration, "name of the declared migration whose phase the function minds", false},
		{envControl, "URL of the place of the control documents, default the migration's target", false},
		{envDirection, "forward or, for the function of the way back, reverse; default forward", false},
		{envIdentity, "cloud whose identity the process has: aws, google or azure, default the platform's", false},
		{envIdentityAudience, "whom the identity's tokens are for, where the default does not do", false},
		{envAWSRole, "ARN of the role to assume for s3:// stores", false},
		{envGCPAudience, "provider of the workload identity pool that lets the process in to gs:// stores", false},
		{envGCPServiceAccount, "service account to act as there, default the federated principal itself", false},
		{envDeadLetter, "on Lambda, URL of the SQS queue for events that no retry can help, default what the redrive policy says", false},
		{envLogLevel, "debug, info, warn or error, default info", false},
		{envLogFormat, "json, or gcp for Cloud Logging; default the platform's", false},
		{envMetrics, "none, emf for CloudWatch or otlp for OpenTelemetry; default otlp where OTEL_ variables ask for it, else none", false},
	}
}
