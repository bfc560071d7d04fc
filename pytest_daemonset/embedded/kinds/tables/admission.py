"""The fields of admission webhooks and policies, Kubernetes v1.36; see `fields` for the notation."""

_MATCHING = """\
  5 namespaceSelector LabelSelector ?
  {selector} objectSelector LabelSelector ?
  6 sideEffects string !
  7 timeoutSeconds int32 ?
  8 admissionReviewVersions []string !
"""

TABLE = f"""\
ValidatingWebhookConfiguration
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 webhooks []ValidatingWebhook merge=name
ValidatingWebhook
  1 name string !
  2 clientConfig WebhookClientConfig !
  3 rules []RuleWithOperations
  4 failurePolicy string ?
  9 matchPolicy string ?
{_MATCHING.format(selector=10)}\
  11 matchConditions []MatchCondition merge=name
MutatingWebhookConfiguration
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 webhooks []MutatingWebhook merge=name
MutatingWebhook
  1 name string !
  2 clientConfig WebhookClientConfig !
  3 rules []RuleWithOperations
  4 failurePolicy string ?
  9 matchPolicy string ?
{_MATCHING.format(selector=11)}\
  10 reinvocationPolicy string ?
  12 matchConditions []MatchCondition merge=name
WebhookClientConfig
  1 service ServiceReference ?
  2 caBundle bytes
  3 url string ?
ServiceReference
  1 namespace string !
  2 name string !
  3 path string ?
  4 port int32 ?
AdmissionReview
  0 kind string
  0 apiVersion string
  2 response AdmissionResponse ?
AdmissionResponse
  1 uid string !
  2 allowed bool !
  3 status Status ?
  4 patch bytes
  5 patchType string ?
  6 auditAnnotations {{}}string
  7 warnings []string
RuleWithOperations
  1 operations []string
  2 < Rule
Rule
  1 apiGroups []string
  2 apiVersions []string
  3 resources []string
  4 scope string ?
MatchCondition
  1 name string !
  2 expression string !
ValidatingAdmissionPolicy
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec ValidatingAdmissionPolicySpec !
  3 status ValidatingAdmissionPolicyStatus !
ValidatingAdmissionPolicySpec
  1 paramKind ParamKind ?
  2 matchConstraints MatchResources ?
  3 validations []Validation
  4 failurePolicy string ?
  5 auditAnnotations []AuditAnnotation
  6 matchConditions []MatchCondition merge=name
  7 variables []Variable merge=name
ValidatingAdmissionPolicyStatus
  1 observedGeneration int64
  2 typeChecking TypeChecking ?
  3 conditions []Condition
TypeChecking
  1 expressionWarnings []ExpressionWarning
ExpressionWarning
  2 fieldRef string !
  3 warning string !
ParamKind
  1 apiVersion string
  2 kind string
MatchResources
  1 namespaceSelector LabelSelector ?
  2 objectSelector LabelSelector ?
  3 resourceRules []NamedRuleWithOperations
  4 excludeResourceRules []NamedRuleWithOperations
  7 matchPolicy string ?
NamedRuleWithOperations
  1 resourceNames []string
  2 < RuleWithOperations
Validation
  1 expression string !
  2 message string
  3 reason string ?
  4 messageExpression string
AuditAnnotation
  1 key string !
  2 valueExpression string !
Variable
  1 name string !
  2 expression string !
ValidatingAdmissionPolicyBinding
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec ValidatingAdmissionPolicyBindingSpec !
ValidatingAdmissionPolicyBindingSpec
  1 policyName string
  2 paramRef ParamRef ?
  3 matchResources MatchResources ?
  4 validationActions []string
ParamRef
  1 name string
  2 namespace string
  3 selector LabelSelector ?
  4 parameterNotFoundAction string ?
MutatingAdmissionPolicy
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec MutatingAdmissionPolicySpec !
MutatingAdmissionPolicySpec
  1 paramKind ParamKind ?
  2 matchConstraints MatchResources ?
  3 variables []Variable
  4 mutations []Mutation
  5 failurePolicy string ?
  6 matchConditions []MatchCondition merge=name
  7 reinvocationPolicy string
Mutation
  2 patchType string !
  3 applyConfiguration ApplyConfiguration ?
  4 jsonPatch JSONPatch ?
ApplyConfiguration
  1 expression string
JSONPatch
  1 expression string
MutatingAdmissionPolicyBinding
  0 kind string
  0 apiVersion string
  1 metadata ObjectMeta !
  2 spec MutatingAdmissionPolicyBindingSpec !
MutatingAdmissionPolicyBindingSpec
  1 policyName string
  2 paramRef ParamRef ?
  3 matchResources MatchResources ?
"""
