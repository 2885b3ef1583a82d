Feature: Operators
  Pause, resume, cancel and retry.

  Scenario: A pause lets a call end, and nothing new begins
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-pause-lets-a-call-end-and-nothing-new-begins, version: '1.0.0'}
    do:
      - call: {call: http, with: {method: get, endpoint: "https://api.test/a"}}
      - after: {set: {done: true}}
    """
    And given the server answers:
    """yaml
    [{path: /a, after: 5}]
    """
    When the workflow is executed
    When an operator pauses it
    Then the workflow should be paused
    When 5 seconds pass
    Then the workflow should be paused
    And the journal should be:
    """yaml
    call completed
    """
    When an operator resumes it
    Then the workflow should complete with output:
    """yaml
    done: true
    """

  Scenario: Time does not go by for timeouts in a pause
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: time-does-not-go-by-for-timeouts-in-a-pause, version: '1.0.0'}
    do:
      - slow:
          timeout: {after: {seconds: 10}}
          do:
            - call: {call: http, with: {method: get, endpoint: "https://api.test/a"}}
            - pause: {wait: {seconds: 3}}
    """
    And given the server answers:
    """yaml
    [{path: /a, after: 5}]
    """
    When the workflow is executed
    When 4 seconds pass
    When an operator pauses it
    When 1 day passes
    Then the workflow should be paused
    When an operator resumes it
    Then the workflow should wake in 3 seconds
    When 3 seconds pass
    Then the workflow should complete

  Scenario: Cancel gives up all that is under way
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: cancel-gives-up-all-that-is-under-way, version: '1.0.0'}
    do:
      - both:
          fork:
            branches:
              - call: {call: http, with: {method: get, endpoint: "https://api.test/a"}}
              - hear: {listen: {to: {one: {with: {type: a}}}}}
              - pause: {wait: {seconds: 3}}
    """
    And given the server answers:
    """yaml
    [{path: /a, after: 5}]
    """
    When the workflow is executed
    When an operator cancels it
    Then the workflow should be cancelled
    And the journal should be:
    """yaml
    call cancelled
    hear cancelled
    pause cancelled
    both cancelled
    """
    When 1 minute passes
    When an event arrives that nobody waits for:
    """yaml
    {id: '1', type: a}
    """
    When an operator resumes it
    When an operator retries it
    Then the workflow should be cancelled

  Scenario: What failed is done again under the same key
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: what-failed-is-done-again-under-the-same-key, version: '1.0.0'}
    do:
      - first: {call: http, with: {method: post, endpoint: "https://api.test/first", body: 1}}
      - second: {call: http, with: {method: post, endpoint: "https://api.test/second", body: 1}}
    """
    And given the server answers:
    """yaml
    [{path: /second, status: 500}, {path: /second, body: fine}]
    """
    When the workflow is executed
    Then the workflow should fault
    When 1 day passes
    When an operator retries it
    Then the workflow should complete with output:
    """yaml
    fine
    """
    And the server should have got 3 requests with 2 keys
    And the journal should be:
    """yaml
    first completed
    second faulted
    second completed 2
    """

  Scenario: What failed is done again under fresh keys
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: what-failed-is-done-again-under-fresh-keys, version: '1.0.0'}
    do:
      - second: {call: http, with: {method: post, endpoint: "https://api.test/second", body: 1}}
    """
    And given the server answers:
    """yaml
    [{path: /second, status: 500}, {path: /second, body: fine}]
    """
    When the workflow is executed
    Then the workflow should fault
    When an operator retries it with fresh keys
    Then the workflow should complete with output:
    """yaml
    fine
    """
    And the server should have got 2 requests with 2 keys

  Scenario: A retry does only the branch again that failed
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-retry-does-only-the-branch-again-that-failed, version: '1.0.0'}
    do:
      - all:
          fork:
            branches:
              - fine: {call: http, with: {method: post, endpoint: "https://api.test/fine", body: 1}}
              - slow: {call: http, with: {method: post, endpoint: "https://api.test/slow", body: 1}}
              - fails:
                  do:
                    - call: {call: http, with: {method: post, endpoint: "https://api.test/fails", body: 1}}
                    - after: {set: {after: "${ . }"}}
              - pause: {wait: {seconds: 30}}
    """
    And given the server answers:
    """yaml
    [{path: /fine, body: fine}, {path: /slow, after: 5, body: slow}, {path: /fails, after: 1, status: 500}, {path: /fails, body: again}]
    """
    When the workflow is executed
    When 10 seconds pass
    Then the workflow should fault
    And the journal should be:
    """yaml
    fine completed
    call faulted
    """
    When an operator retries it
    Then the workflow should be waiting
    When 20 seconds pass
    Then the workflow should complete with output:
    """yaml
    [fine, slow, {after: again}, null]
    """
    And the server should have got 4 requests with 3 keys
    And the journal should be:
    """yaml
    fine completed
    call faulted
    slow completed
    call completed 2
    after completed
    fails completed
    pause completed
    all completed
    """

  Scenario: A run that took too long gets its time again
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-run-that-took-too-long-gets-its-time-again, version: '1.0.0'}
    timeout: {after: {seconds: 10}}
    do:
      - pause: {wait: {seconds: 15}}
    """
    When the workflow is executed
    When 10 seconds pass
    Then the workflow should fault
    When an operator retries it
    Then the workflow should wake in 5 seconds
    When 5 seconds pass
    Then the workflow should complete

  Scenario: A wish that makes no sense changes nothing
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-wish-that-makes-no-sense-changes-nothing, version: '1.0.0'}
    do:
      - pause: {wait: {seconds: 15}}
    """
    When the workflow is executed
    When an operator resumes it
    When an operator retries it
    Then the workflow should be waiting
    When an operator pauses it
    When an operator pauses it
    Then the workflow should be paused
