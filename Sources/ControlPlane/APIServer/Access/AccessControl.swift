/// Who is let in, who may do what, and what is looked at before a write: put together on top of the watch cache.
struct AccessControl {
    let authenticator: any Authenticator
    let authorizer: any Authorizer
    let admission: AdmissionChain

    init(cache: WatchCache, configuration: APIServerConfiguration, tokens: ServiceAccountTokens) {
        authenticator = configuration.authenticator
            ?? UnionAuthenticator(authenticators: [
                ClientCertificateAuthenticator(), BearerTokenAuthenticator(tokens: tokens), BootstrapTokenAuthenticator(cache: cache, now: configuration.now),
            ])
        let pods = cache.cache(.pods)
        let roles = RBACAuthorizer(cache)
        var authorizers: [any Authorizer] = [MastersAuthorizer()]
        if let pods { authorizers.append(NodeAuthorizer(pods: pods)) }
        if let roles { authorizers.append(roles) }
        let authorizer = configuration.authorizer ?? UnionAuthorizer(authorizers: authorizers)
        self.authorizer = authorizer

        var plugins: [any AdmissionPlugin] = []
        if let pods { plugins.append(NodeRestriction(pods: pods)) }
        if let accounts = cache.cache(GroupResource(group: "", resource: "serviceaccounts")) {
            plugins.append(ServiceAccountAdmission(accounts: accounts, random: { Int.random(in: 0..<$0) }))
        }
        plugins.append(CertificateRequestAdmission(authorizer: authorizer))
        if let roles { plugins.append(RoleEscalation(authorizer: authorizer, policy: roles)) }
        admission = AdmissionChain(plugins: plugins)
    }
}
