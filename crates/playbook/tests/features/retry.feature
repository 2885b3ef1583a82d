Feature: Retries
  How often, when, and what comes of it in the end.

  Scenario: A call is tried again under the same key until it works
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-call-is-tried-again-under-the-same-key-until-it-works, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: {n: 1}}}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {seconds: 3}, limit: {attempt: {count: 5}}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 503}, {path: /a, status: 503}, {path: /a, body: {ok: true}}]
    """
    When the workflow is executed
    Then the workflow should be waiting
    And the workflow should wake in 3 seconds
    When 3 seconds pass
    Then the workflow should wake in 3 seconds
    When 3 seconds pass
    Then the workflow should complete with output:
    """yaml
    ok: true
    """
    And the server should have got 3 requests with 1 key
    And the journal should be:
    """yaml
    call faulted
    call faulted 2
    call completed 3
    guarded completed
    """

  Scenario: A count of 2 is two more tries, and then the error is raised
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-count-of-2-is-two-more-tries-and-then-the-error-is-raised, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: {n: 1}}}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {seconds: 1}, limit: {attempt: {count: 2}}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 503}]
    """
    When the workflow is executed
    When 10 seconds pass
    Then the workflow should fault with error:
    """yaml
    status: 503
    instance: /do/0/guarded/try/0/call
    """
    And the server should have got 3 requests with 1 key
    And the journal should be:
    """yaml
    call faulted
    call faulted 2
    call faulted 3
    guarded faulted
    """

  Scenario: Backoff is linear
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: backoff-is-linear, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: {n: 1}}}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {seconds: 2}, backoff: {linear: {}}, limit: {attempt: {count: 3}}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 503}]
    """
    When the workflow is executed
    Then the workflow should wake in 2 seconds
    When 2 seconds pass
    Then the workflow should wake in 4 seconds
    When 4 seconds pass
    Then the workflow should wake in 6 seconds
    When 6 seconds pass
    Then the workflow should fault

  Scenario: Backoff is exponential
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: backoff-is-exponential, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: {n: 1}}}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {seconds: 2}, backoff: {exponential: {}}, limit: {attempt: {count: 3}}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 503}]
    """
    When the workflow is executed
    Then the workflow should wake in 2 seconds
    When 2 seconds pass
    Then the workflow should wake in 4 seconds
    When 4 seconds pass
    Then the workflow should wake in 8 seconds
    When 8 seconds pass
    Then the workflow should fault

  Scenario: All attempts together have a limit
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: all-attempts-together-have-a-limit, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: {n: 1}}}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {seconds: 4}, limit: {duration: {seconds: 10}}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 503}]
    """
    When the workflow is executed
    When 1 minute passes
    Then the workflow should fault
    And the server should have got 3 requests with 1 key

  Scenario: One attempt has a limit
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: one-attempt-has-a-limit, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: {n: 1}}}
          catch:
            errors: {with: {status: 408}}
            retry: {limit: {attempt: {count: 1, duration: {seconds: 5}}}}
    """
    And given the server answers:
    """yaml
    [{path: /a, never: true}, {path: /a, after: 2, body: {ok: true}}]
    """
    When the workflow is executed
    Then the workflow should wake in 5 seconds
    When 5 seconds pass
    Then the workflow should be running
    When 2 seconds pass
    Then the workflow should complete with output:
    """yaml
    ok: true
    """
    And the journal should be:
    """yaml
    call cancelled
    call completed 2
    guarded completed
    """

  Scenario: An error that is not to be retried is raised
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-error-that-is-not-to-be-retried-is-raised, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: {n: 1}}}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {seconds: 1}, exceptWhen: '$error.status == 503'}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 503}]
    """
    When the workflow is executed
    Then the workflow should fault
    And the server should have got 1 requests

  Scenario: Exhausted retries are handled
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: exhausted-retries-are-handled, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: get, endpoint: "https://api.test/a"}}
          catch:
            as: problem
            retry: {limit: {attempt: {count: 1}}}
            do:
              - note: {set: {status: "${ $problem.status }"}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 500}, {path: /a, status: 502}]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 502
    """
    And the journal should be:
    """yaml
    call faulted
    call faulted 2
    note completed
    guarded completed
    """

  Scenario: Jitter is added to the delay
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: jitter-is-added-to-the-delay, version: '1.0.0'}
    do:
      - guarded:
          try:
            - fail: {raise: {error: {type: a, status: 500}}}
          catch:
            retry:
              delay: {seconds: 1}
              jitter: {from: {seconds: 5}, to: {seconds: 5}}
              limit: {attempt: {count: 1}}
    """
    When the workflow is executed
    Then the workflow should wake in 6 seconds
    When 6 seconds pass
    Then the workflow should fault

  Scenario: A request that comes out differently has another key
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-request-that-comes-out-differently-has-another-key, version: '1.0.0'}
    do:
      - guarded:
          try:
            - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: "${ $task.attempt }"}}
          catch:
            retry: {limit: {attempt: {count: 1}}}
    """
    And given the server answers:
    """yaml
    [{path: /a, status: 503}, {path: /a}]
    """
    When the workflow is executed
    Then the workflow should complete
    And the server should have got 2 requests with 2 keys
